"""The publication that a method comes from."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A publication, with what its bibliography entry needs.

    >>> focal = Paper("Focal loss for dense object detection", "Tsung-Yi Lin and others",
    ...               "ICCV", 2017, "https://arxiv.org/abs/1708.02002")
    >>> focal.key
    'lin2017focal'
    """

    title: str
    authors: str  # as BibTeX wants them: "Given Family and Given Family"
    venue: str
    year: int
    url: str
    kind: str = "inproceedings"  # the type of the BibTeX entry: or article, or incollection

    @property
    def key(self) -> str:
        """The key of the BibTeX entry: first author, year, first long word of the title."""
        author = self.authors.partition(" and ")[0].rsplit(" ")[-1]
        word = next(word for word in re.findall(r"[A-Za-z]+", self.title) if len(word) > 3)
        return f"{author}{self.year}{word}".lower()

    @property
    def bibtex(self) -> str:
        """The BibTeX entry, on one line."""
        where = "journal" if self.kind == "article" else "booktitle"
        fields = {
            "title": f"{{{self.title}}}",  # a second brace keeps its capitals
            "author": self.authors,
            where: self.venue,
            "year": str(self.year),
            "url": self.url,
        }
        text = ", ".join(f"{name} = {{{value}}}" for name, value in fields.items())
        return f"@{self.kind}{{{self.key}, {text}}}"
