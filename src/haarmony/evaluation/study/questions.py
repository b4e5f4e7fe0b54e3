"""The three questions of the user study of WCT2 (Yoo et al., ICCV 2019, section 5.2)."""

from typing import Final

QUESTIONS: Final = {
    "artefacts": "fewest artefacts",
    "stylization": "best stylization",
    "preference": "most preferred",
}
"""Their short names, by which votes are kept, and what tables call them, in the order they are asked."""
