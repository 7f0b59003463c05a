"""Spellings of one thing are brought to one form; different things stay different."""

import pytest

from features.identity.telephones import phone_number
from features.identity.writing import (
    email_address,
    han_name,
    identity_number,
    postal_address,
    postal_code,
    spelt_name,
    wade_giles,
)


@pytest.mark.parametrize(
    "written",
    [
        "王小明",
        "WANG HSIAO-MING",
        "Hsiao-Ming WANG",  # swapped
        "Wang Hsiao Ming",
        "WANG HSIAOMING",  # given name in one
        "Wang Xiaoming",  # Hanyu pinyin
        "ＷＡＮＧ　ＨＳＩＡＯ－ＭＩＮＧ",  # full width
        "Wáng Xiǎo Míng",  # with tones
    ],
)
def test_a_chinese_name_is_spelt_one_way(written: str) -> None:
    assert spelt_name(written) == "hsiao ming wang"


@pytest.mark.parametrize(
    "han,latin",
    [
        ("李怡君", "LEE I-CHUN"),
        ("李怡君", "Li Yi-Chun"),
        ("呂秀蓮", "LU HSIU-LIEN"),
        ("曾國藩", "TSENG KUO-FAN"),  # a surname's own reading
        ("葉志偉", "YEH CHIH-WEI"),
        ("蔡佳玲", "Ts'ai Chia-ling"),
        ("歐陽娜娜", "OUYANG NA-NA"),  # surname of two characters
        ("張雅婷", "Zhang Yating"),
        ("賴月思", "LAI YUEHSZU"),
    ],
)
def test_han_and_latin_meet(han: str, latin: str) -> None:
    assert spelt_name(han) == spelt_name(latin)


@pytest.mark.parametrize(
    "pinyin,spelt",
    [
        ("zhang", "chang"), ("cai", "tsai"), ("lai", "lai"), ("xu", "hsu"), ("xie", "hsieh"),
        ("guo", "kuo"), ("luo", "lo"), ("he", "ho"), ("ge", "ko"), ("yan", "yen"), ("ye", "yeh"),
        ("you", "yu"), ("jian", "chien"), ("zhong", "chung"), ("xiong", "hsiung"), ("si", "szu"),
        ("zi", "tzu"), ("zhi", "chih"), ("shi", "shih"), ("ri", "jih"), ("gui", "kuei"),
        ("rui", "jui"), ("yue", "yueh"), ("xue", "hsueh"), ("lü", "lu"), ("er", "erh"),
        ("bo", "po"), ("qi", "chi"), ("rong", "jung"), ("wei", "wei"),
    ],
)  # fmt: skip
def test_pinyin_is_respelt_as_taiwan_spells(pinyin: str, spelt: str) -> None:
    assert wade_giles(pinyin) == spelt


def test_a_western_name_keeps_its_words_whatever_their_order() -> None:
    assert spelt_name("Sarah Bruhn") == spelt_name("BRUHN, Sarah") == "bruhn sarah"
    assert spelt_name("Milan Chantal") == "chantal milan"


def test_han_names_are_kept_beside_their_sound() -> None:
    assert han_name("王小明") == han_name("小明王")  # swapped
    assert han_name("陳怡君") != han_name("陳宜君")  # sounds alike, is another
    assert han_name("WANG HSIAO-MING") is None
    assert spelt_name("…") is None


@pytest.mark.parametrize("written", ["王先生", "王小姐", "Mr. Wang", "MS WANG"])
def test_a_surname_with_a_title_is_no_name(written: str) -> None:
    assert (spelt_name(written), han_name(written)) == (None, None)


def test_a_title_beside_a_name_is_dropped() -> None:
    assert spelt_name("王小明先生") == spelt_name("Mr. Wang Hsiao-Ming") == "hsiao ming wang"


@pytest.mark.parametrize(
    "written,digits",
    [
        ("0912-345-678", "0912345678"),
        ("+886 912 345 678", "0912345678"),
        ("+886 (0)912-345678", "0912345678"),
        ("00886912345678", "0912345678"),
        ("886912345678", "0912345678"),
        ("０９１２３４５６７８", "0912345678"),
        ("(02) 2345-6789 #12", "0223456789"),
        ("02-23456789分機12", "0223456789"),
        ("+86 138 0013 8000", "13800138000"),
        ("+49 30 1234567", "49301234567"),
        ("0000000000", None),  # a placeholder
        ("12", None),
        ("unknown", None),
    ],
)
def test_a_telephone_number_is_its_digits_as_dialled_at_home(
    written: str, digits: str | None
) -> None:
    assert phone_number(written) == digits


@pytest.mark.parametrize(
    "one,other",
    [
        ("台北市大安區和平東路二段１５號三樓", "106臺北市大安區和平東路2段15號3F"),
        ("臺北市 大安區 和平東路2段15號3樓之2", "臺北市大安區和平東路2段15號3樓-2"),
        ("44 Forbes Street, Wintersloe", "44 FORBES ST WINTERSLOE"),
        ("No. 15, Section 2, Heping E. Rd.", "15, Sec. 2, Heping East Road"),
    ],
)
def test_an_address_is_its_parts(one: str, other: str) -> None:
    assert postal_address(one) == postal_address(other)


def test_another_house_is_another_address() -> None:
    assert postal_address("和平東路2段15號") != postal_address("和平東路2段51號")


def test_small_fields_lose_what_does_not_count() -> None:
    assert email_address(" Ming@Example.TW ") == "ming@example.tw"
    assert email_address("none") is None
    assert identity_number(" a12-345 6789") == "A123456789"
    assert postal_code("10655") == postal_code("106-550") == postal_code("106")
    assert postal_code("2602") == "2602"
