"""Prints a line of text a package of the archive that this machine knows: what the sample data's vectors are made of."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "demo"))
import load  # noqa: E402

for text in load.texts(load.read_archive()).values():
    print(text)
