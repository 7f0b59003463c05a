"""Which identity numbers prove themselves: formats and check digits as their issuers publish them."""

import re
from datetime import date

# The letter's value is 10 + its place: Ministry of the Interior, Taiwan. I and O came last.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_TAIWAN = re.compile(r"[A-Z][1289]\d{8}")
_MAINLAND = re.compile(r"[1-9]\d{16}[\dX]")
_HOLDERS_FROM_ACROSS = ("81", "82", "83")  # Hong Kong, Macau, Taiwan


def proven_type(identity_type: str | None, number: str) -> str | None:
    """The type of document under which a number, upper case and bare, is valid; else None.

    A number without a stated type is taken for what its format says. No check digit is known
    for passports and other documents, nor for the residence permits of two letters.
    """
    found = _taiwan_type(number) or _mainland_type(number)
    return found if identity_type in (None, found) else None


def _taiwan_type(number: str) -> str | None:
    if not _TAIWAN.fullmatch(number) or not taiwan_check_holds(number):
        return None
    return "resident" if number[1] in "12" else "residence_permit"


def _mainland_type(number: str) -> str | None:
    if not _MAINLAND.fullmatch(number) or not mainland_check_holds(number):
        return None
    return "residence_permit" if number[:2] in _HOLDERS_FROM_ACROSS else "resident"


def taiwan_check_holds(number: str) -> bool:
    """Whether a letter and nine digits weigh up: national identity card, unified permit number.

    The letter's two digits weigh 1 and 9, the eight digits 8 down to 1, the last 1; the sum is
    a multiple of 10.
    """
    letter = 10 + _LETTERS.index(number[0])
    digits = [letter // 10, letter % 10, *map(int, number[1:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    return sum(d * w for d, w in zip(digits, weights, strict=True)) % 10 == 0


def mainland_check_holds(number: str) -> bool:
    """Whether 18 characters keep GB 11643: a day of birth and the ISO 7064 MOD 11-2 check."""
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    values = [10 if character == "X" else int(character) for character in number]
    weighed = sum(v * pow(2, 17 - place, 11) for place, v in enumerate(values))
    return weighed % 11 == 1
