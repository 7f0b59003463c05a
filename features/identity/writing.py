"""One way of writing: names and addresses brought to forms that can be compared."""

import re
from functools import cache
from unicodedata import combining, normalize

from pypinyin import Style, lazy_pinyin

from features.identity.telephones import plain

_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
# Surnames that are read otherwise than the same character elsewhere.
_SURNAME_READINGS = {
    "曾": "tseng", "單": "shan", "解": "hsieh", "仇": "chiu", "查": "cha", "任": "jen",
    "區": "ou", "朴": "piao", "翟": "chai", "葉": "yeh", "沈": "shen",
}  # fmt: skip
# Spellings in use beside Wade-Giles.
_VARIANTS = {
    "i": "yi", "lee": "li", "soong": "sung", "chow": "chou",
    "tsay": "tsai", "shieh": "hsieh", "shyu": "hsu", "leu": "lu", "jou": "chou", "jang": "chang",
    "jeng": "cheng", "jong": "chung", "tzeng": "tseng", "hwang": "huang", "chern": "chen",
}  # fmt: skip
_TITLE = re.compile(r"(先生|小姐|女士|太太)$|^(mr|mrs|ms|miss)\b\.?")
_SECTION = str.maketrans("一二三四五六七八九", "123456789")
_UNITS = re.compile(r"[^縣市區鄉鎮村里路街段巷弄號樓室鄰]+[縣市區鄉鎮村里路街段巷弄號樓室鄰]?")
_WORDS = {
    "road": "rd", "street": "st", "section": "sec", "lane": "ln", "alley": "aly", "floor": "f",
    "district": "dist", "avenue": "ave", "boulevard": "blvd", "number": "no", "place": "pl",
    "drive": "dr", "court": "ct", "crescent": "cres", "close": "cl", "circuit": "cct",
    "north": "n", "south": "s", "east": "e", "west": "w",
}  # fmt: skip
_SILENT = {"no", "fl"}


def _untitled(text: str) -> str:
    """A name without its title; empty where the title stood for all but the surname."""
    written = plain(text)
    bare = _TITLE.sub("", written).strip()
    surname_only = len(_HAN.findall(bare)) == 1 or re.fullmatch("[a-z]+", bare)
    return "" if bare != written and surname_only else bare


def han_name(text: str) -> str | None:
    """The Han characters of a name in a fixed order, so that swapped parts compare equal."""
    return "".join(sorted(_HAN.findall(_untitled(text)))) or None


def spelt_name(text: str) -> str | None:
    """A name's Latin syllables in alphabetical order, Taiwan's Wade-Giles for Chinese ones.

    Han characters are romanised; hyphens, apostrophes, accents and tones are dropped; Hanyu
    pinyin is respelt; a given name written in one is cut into its syllables.
    """
    written = _untitled(text)
    han = _HAN.findall(written)
    if han:
        surname = _SURNAME_READINGS.get(han[0]) or _reading(han[0])
        return " ".join(sorted([surname, *map(_reading, han[1:])]))
    bare = "".join(c for c in normalize("NFKD", written) if not combining(c))
    tokens = re.findall(r"[a-z]+", re.sub(r"['’‘`ʼ]", "", bare))
    chinese = any(_syllable(token) for token in tokens)
    return " ".join(sorted(s for t in tokens for s in _syllables(t, chinese))) or None


@cache
def _reading(character: str) -> str:
    return wade_giles(lazy_pinyin(character, style=Style.NORMAL)[0])


def wade_giles(pinyin: str) -> str:
    """A syllable of Hanyu pinyin as Taiwan's passports spell it, without apostrophe and umlaut."""
    found = _PINYIN.fullmatch(pinyin.replace("ü", "v"))
    if not found:
        return pinyin
    initial, final = found[1], found[2]
    if initial in ("z", "c", "s") and final == "i":
        return "szu" if initial == "s" else "tzu"
    if initial in ("zh", "ch", "sh", "r") and final == "i":
        final = "ih"
    elif initial + final in _WHOLE:
        return _WHOLE[initial + final]
    else:
        final = _FINALS.get(final, final)
    return _INITIALS.get(initial, initial) + final


_PINYIN = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw]?)([aeiouv][a-z]*)")
_INITIALS = {
    "b": "p", "d": "t", "g": "k", "j": "ch", "q": "ch", "x": "hs", "zh": "ch", "z": "ts",
    "c": "ts", "r": "j",
}  # fmt: skip
_FINALS = {
    "ian": "ien", "ie": "ieh", "iong": "iung", "ong": "ung", "uo": "o", "ue": "ueh", "ve": "ueh",
    "v": "u",
}  # fmt: skip
# Syllables whose spelling follows no rule.
_WHOLE = {
    "ge": "ko", "ke": "ko", "he": "ho", "e": "o", "er": "erh", "guo": "kuo", "kuo": "kuo",
    "huo": "huo", "shuo": "shuo", "gui": "kuei", "kui": "kuei", "ye": "yeh", "yan": "yen",
    "you": "yu",
}  # fmt: skip


@cache
def _romanisations() -> dict[str, str]:
    """Every syllable as Wade-Giles and as Hanyu pinyin -> Wade-Giles; the former reads first."""
    read = lazy_pinyin([chr(code) for code in range(0x4E00, 0x9FA6)], style=Style.NORMAL)
    found = {pinyin: wade_giles(pinyin) for pinyin in read if pinyin.isascii()}
    return found | {wade: wade for wade in found.values()}


def _syllable(token: str) -> str | None:
    token = _VARIANTS.get(token, token)
    return _romanisations().get(token)


def _syllables(token: str, chinese: bool) -> list[str]:
    whole = _syllable(token)
    if whole:
        return [whole]
    return (_cut(token) if chinese else None) or [token]


@cache
def _cut(token: str) -> list[str] | None:
    """Two syllables written as one, the longer first one preferred."""
    for place in range(min(6, len(token) - 1), 0, -1):
        first, second = _syllable(token[:place]), _syllable(token[place:])
        if first and second:
            return [first, second]
    return None


def email_address(text: str) -> str | None:
    """An address in lower case; None without a name, an at sign and a dotted domain."""
    written = plain(text).replace(" ", "")
    return written if re.fullmatch(r"[^@]+@[^@]+\.[^@]+", written) else None


def identity_number(text: str) -> str | None:
    """Letters and digits in upper case."""
    return "".join(re.findall(r"[0-9A-Z]", normalize("NFKC", text).upper())) or None


def postal_code(text: str) -> str | None:
    """The first three digits of Taiwan's six, else all letters and digits."""
    bare = "".join(re.findall(r"[0-9a-z]", plain(text)))
    return (bare[:3] if bare.isdigit() and len(bare) in (5, 6) else bare) or None


def postal_address(text: str) -> str | None:
    """The parts of an address, each once, in alphabetical order, parted by blanks."""
    written = plain(text)
    parts = _han_parts(written) if _HAN.search(written) else _latin_parts(written)
    return " ".join(sorted(set(parts))) or None


def is_han(text: str) -> bool:
    """Whether a text holds Han characters."""
    return _HAN.search(text) is not None


def _han_parts(written: str) -> list[str]:
    bare = re.sub(r"[\s,.，、。()]", "", re.sub(r"^\d{3,6}", "", written.replace("台", "臺")))
    numbered = re.sub(r"([一二三四五六七八九])(?=[段樓])", lambda m: m[1].translate(_SECTION), bare)
    floors = re.sub(r"(\d+)f\b", r"\1樓", numbered.replace("之", "-"))
    return _UNITS.findall(floors)


def _latin_parts(written: str) -> list[str]:
    words = re.findall(r"[a-z0-9]+", re.sub(r"(\d+)f\b", r"\1 f", written.replace("'", "")))
    return [folded for w in words if (folded := _WORDS.get(w, w)) not in _SILENT]
