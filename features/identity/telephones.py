"""One way of writing telephone numbers, and the keyed digest by which a caller is looked up."""

import hmac
import re
from unicodedata import normalize

_EXTENSION = re.compile(r"(#|x|ext|分機|轉).*$")


def plain(text: str) -> str:
    """Unicode NFKC, lower case, single blanks."""
    return " ".join(normalize("NFKC", text).casefold().split())


def phone_number(text: str) -> str | None:
    """Digits of a telephone number as dialled at home; None for what cannot be one."""
    written = _EXTENSION.sub("", plain(text))
    digits = re.sub(r"\D", "", written)
    abroad = written.startswith("+") or digits.startswith("00")
    digits = digits.removeprefix("00") if not written.startswith("+") else digits
    if digits.startswith("886") and (abroad or len(digits) >= 11):
        digits = "0" + digits.removeprefix("886").lstrip("0")
    elif abroad and digits.startswith("86"):
        digits = digits.removeprefix("86")
    return digits if 7 <= len(digits) <= 15 and len(set(digits)) > 1 else None


def telephone_digest(key: str, number: str) -> str:
    """HMAC-SHA256 of a telephone number, 64 hexadecimal digits.

    Args:
        key: the bank's secret; without it every number there is could be tried.
        number: as ``phone_number`` writes it.
    """
    return hmac.new(key.encode(), number.encode(), "sha256").hexdigest()
