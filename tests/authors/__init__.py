"""Our methods beside their authors' own code: ``python -m tests.authors FOLDER``.

``FOLDER`` holds clones of public repositories, ``owner+name`` each, which nobody commits here.
Their functions are picked out of their files and run in float64, on random logits and labels or
on small images, beside ours; what differs most is written to
``benchmarks/catalogue/compared.csv``, from which passports follow.
"""
