import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # makes folders.py importable for the tests here
