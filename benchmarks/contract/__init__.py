"""What every entry of a catalogue must do, ours or a plugin's."""
