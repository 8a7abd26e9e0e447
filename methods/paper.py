"""The publication that a method comes from, read from its docstring."""

import re
from typing import NamedTuple

JOURNALS = {"IJCV", "JAIR", "JMLR", "TMLR", "TNNLS", "TPAMI"}
"""Venues whose BibTeX entry is an article; any other is a book of proceedings."""

_SPECIAL, _ESCAPED = re.compile(r"[&%$#_]"), r"\\\g<0>"
"""Characters that LaTeX does not read as they are, and what shows them."""

CITATION = re.compile(
    r"Source:\s+(?P<authors>[^\"]+), \"(?P<title>[^\"]+)\", (?P<venue>[^\"]+?) "
    r"(?P<year>\d{4})\. (?P<url>https://[^\s;,]*[^\s;,.])"
)


class Paper(NamedTuple):
    """A publication; all blank for a method that comes from none."""

    authors: str = ""  # "Given Family, Given Family & Given Family"
    title: str = ""
    venue: str = ""
    year: str = ""
    url: str = ""

    @property
    def bibtex(self) -> str:
        r"""The BibTeX entry, on one line; its key is first author, year, first long word.

        >>> print(Paper("Yilun Xu", "L_DMI: 100 % robust", "NeurIPS", "2019", "").bibtex[:53])
        @inproceedings{xu2019robust, title = {{L\_DMI: 100 \%
        """
        if not self.title:
            return ""
        journal = self.venue in JOURNALS
        authors = re.split(", | & ", self.authors)
        words = re.findall(r"[A-Za-z]+", self.title)
        word = max(words, key=lambda word: len(word) > 3, default="")
        key = f"{authors[0].rsplit(' ')[-1]}{self.year}{word}".lower()
        title = _SPECIAL.sub(_ESCAPED, self.title)
        fields = {
            "title": f"{{{title}}}",  # a second brace keeps its capitals
            "author": " and ".join(authors),
            "journal" if journal else "booktitle": self.venue,
            "year": self.year,
            "url": self.url,
        }
        text = ", ".join(f"{name} = {{{value}}}" for name, value in fields.items())
        return f"@{'article' if journal else 'inproceedings'}{{{key}, {text}}}"


def cited(docstring: str) -> Paper:
    """Return the paper with which the section ``Source:`` of a docstring begins, if it does.

    >>> paper = cited('''Care less for examples that are fitted already.
    ...
    ...     Source:
    ...         Tsung-Yi Lin & Piotr Dollár, "Focal loss for dense object detection", ICCV 2017.
    ...         https://arxiv.org/abs/1708.02002 (equation 4).
    ... ''')
    >>> paper.venue, paper.year, paper.bibtex[:28]
    ('ICCV', '2017', '@inproceedings{lin2017focal,')
    >>> paper._replace(title="How to do it").bibtex[:27]
    '@inproceedings{lin2017how, '
    """
    match = CITATION.search(" ".join(docstring.split()))
    return Paper(**match.groupdict()) if match else Paper()
