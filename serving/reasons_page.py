"""Reasons as a page that a banker opens: some customers, four questions, three languages.

The page is one file that needs nothing from outside. Bars are drawn by style alone; the little
script only names the page's language and title when another one is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import get_args

import pandas as pd
import pyarrow.parquet as pq

from data.database import Database
from data.errors import NotReady
from features.catalogue import CATALOGUE
from features.definition import Reasons
from features.reason_groups import GROUP_OF
from serving.answering import answer
from serving.book import newest_book
from serving.moves import moved_by
from serving.reasons import Language, Reason, said, shown
from serving.scoring import Answer, Score, Scorer
from serving.standings import why_not
from training.labels import SCORABLE
from training.recipes import QUESTIONS

LANGUAGES: tuple[Language, ...] = get_args(Language)
TAGS: Mapping[Language, str] = {"en": "en", "zh-TW": "zh-Hant-TW", "zh-CN": "zh-Hans-CN"}
NAMES: Mapping[Language, str] = {"en": "English", "zh-TW": "繁體中文", "zh-CN": "简体中文"}

TITLE = Reasons("Scores and their reasons", "客戶評分與理由", "客户评分与理由")
ABOUT = Reasons(
    "{count} customers as of {day}. A bar to the right raises the figure above it, one to the left"
    " lowers it; beside it stands how far, and where this customer and the typical one are.",
    "共{count}位客戶，資料截至{day}。長條向右表示提高該數值，向左表示降低；旁為影響幅度，"
    "以及本客戶與一般客戶的數值。",
    "共{count}位客户，数据截至{day}。条形向右表示提高该数值，向左表示降低；旁为影响幅度，"
    "以及本客户与一般客户的数值。",
)
FOOT = Reasons(
    "Reasons say what counted in the model's answer, not what causes what. Typical is the median of"
    " the customers that the model learnt from. Every answer shown here is in the audit chain.",
    "理由說明模型計算時的考量，並非因果關係。「一般」為模型所學習客戶之中位數。"
    "本頁所有評分均已記入稽核鏈。",
    "理由说明模型计算时的考量，并非因果关系。“一般”为模型所学习客户的中位数。"
    "本页所有评分均已记入审计链。",
)
ASKED: Mapping[str, Reasons] = {
    "churn": Reasons("Will they leave?", "會不會離開？", "会不会流失？"),
    "lifetime_value": Reasons("What are they worth?", "貢獻度有多高？", "综合贡献有多高？"),
    "propensity": Reasons("What do they need next?", "下一步需要什麼？", "下一步需要什么？"),
    "credit_risk": Reasons("Will they pay back?", "還款有沒有風險？", "还款有没有风险？"),
}
FIGURE: Mapping[str, Reasons] = {
    "churn": Reasons(
        "chance of leaving within {days} days", "{days}天內流失機率", "{days}天内流失概率"
    ),
    "lifetime_value": Reasons(
        "expected contribution of the next {days} days",
        "未來{days}天預期貢獻度",
        "未来{days}天预期贡献",
    ),
    "propensity": Reasons(
        "chance of taking up: {product}, within {days} days",
        "{days}天內申辦{product}的機率",
        "{days}天内购买{product}的概率",
    ),
    "credit_risk": Reasons(
        "chance of default within {days} days", "{days}天內違約機率", "{days}天内违约概率"
    ),
}
PRODUCTS: Mapping[str, Reasons] = {
    "term_deposit": Reasons("term deposit", "定期存款", "定期存款"),
    "credit_card": Reasons("credit card", "信用卡", "信用卡"),
    "personal_loan": Reasons("personal loan", "信用貸款", "信用贷款"),
    "mortgage": Reasons("mortgage", "房屋貸款", "住房贷款"),
    "wealth_management": Reasons("wealth product", "理財商品", "理财产品"),
    "fund": Reasons("fund", "基金", "基金"),
    "insurance": Reasons("insurance", "保險", "保险"),
}
REASON = Reasons("Reason", "理由", "理由")
CUSTOMER = Reasons("Customer", "本客戶", "本客户")
TYPICAL = Reasons("Typical", "一般", "一般")
EFFECT = Reasons("Effect", "影響", "影响")
OTHERS = Reasons("Other products", "其他商品", "其他产品")
BETWEEN = Reasons(
    "{share} of such customers lie between {low} and {high}",
    "此類客戶有{share}介於{low}至{high}之間",
    "此类客户有{share}介于{low}至{high}之间",
)
GRADE = Reasons("grade {grade}", "等級{grade}", "等级{grade}")
NOT_ASKED = Reasons("The question does not fit", "此問題不適用", "此问题不适用")
MARKS: Mapping[str, Reasons] = {
    "provisional": Reasons("provisional", "暫定", "暂定"),
    "stale": Reasons("stale", "資料非最新", "数据非最新"),
}
SCRIPT = """
const titles = TITLES;
for (const one of document.querySelectorAll('input[name=language]')) {
  const tell = () => {
    if (one.checked) { document.documentElement.lang = one.value; document.title = titles[one.value]; }
  };
  one.addEventListener('change', tell); tell();
}
"""
STYLE = """
:root { color-scheme: light; --ink: #22303c; --soft: #5d6c79; --line: #e1e6ea; --up: #c05a1c; --down: #1f6f8b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f2f4f6; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "Helvetica Neue", Arial, sans-serif; }
:lang(zh-Hant-TW) { font-family: "Noto Sans TC", "Noto Sans CJK TC", "PingFang TC", "Microsoft JhengHei", sans-serif; }
:lang(zh-Hans-CN) { font-family: "Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
body > input { position: absolute; opacity: 0; }
nav { position: sticky; top: 0; z-index: 1; display: flex; justify-content: flex-end; gap: 8px; padding: 10px 24px; background: #fff; border-bottom: 1px solid var(--line); }
nav label { padding: 4px 14px; border: 1px solid var(--line); border-radius: 16px; cursor: pointer; font-size: 14px; }
article { display: none; max-width: 1180px; margin: 0 auto; padding: 26px 24px 60px; }
h1 { margin: 0 0 4px; font-size: 28px; line-height: 1.25; }
.about { margin: 0 0 26px; max-width: 90ch; color: var(--soft); }
section { margin: 0 0 34px; }
h2 { margin: 0 0 10px; font-size: 19px; font-variant-numeric: tabular-nums; }
.cards { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px 12px; break-inside: avoid; }
h3 { margin: 0; font-size: 14px; font-weight: 600; color: var(--soft); }
.value { font-size: 31px; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.of { color: var(--soft); font-size: 13.5px; margin: 0 0 10px; }
.mark { margin-left: 8px; padding: 1px 9px; border-radius: 10px; background: #fdf0d6; color: #805503; font-size: 12px; font-weight: 600; vertical-align: 5px; }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 13.5px; }
th:nth-child(2), th:nth-child(3) { width: 86px; } th:nth-child(4) { width: 100px; } th:nth-child(5) { width: 104px; }
th { padding: 3px 0 5px 8px; text-align: right; color: var(--soft); font-weight: 500; font-size: 12.5px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
td { padding: 6px 0 6px 8px; text-align: right; vertical-align: top; border-bottom: 1px solid #f0f2f4; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:first-child { white-space: normal; line-height: 1.35; }
td small { display: block; color: var(--soft); font-size: 12px; }
tr:last-child td { border-bottom: 0; }
.bar span { position: relative; display: block; height: 14px; margin: 3px 4px 0 10px; }
.bar span::before { content: ""; position: absolute; left: 50%; top: -5px; bottom: -5px; width: 1px; background: #c9d1d8; }
.bar i { position: absolute; top: 1px; bottom: 1px; border-radius: 2px; }
.raises { background: var(--up); left: 50%; } .lowers { background: var(--down); right: 50%; }
td.raises, td.lowers { background: none; font-weight: 600; } td.raises { color: var(--up); } td.lowers { color: var(--down); }
.others { margin: 8px 0 4px; color: var(--soft); font-size: 13px; }
.others b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
footer { color: var(--soft); font-size: 13px; border-top: 1px solid var(--line); padding-top: 12px; max-width: 100ch; }
@media screen and (max-width: 860px) { .cards { grid-template-columns: 1fr; } }
@page { size: A4 landscape; margin: 10mm; }
@media print { nav { display: none; } body { background: #fff; zoom: 0.72; } article { padding: 0; max-width: none; } section { break-inside: avoid; margin: 0 0 12px; } section + section { break-before: page; } }
"""


@dataclass(frozen=True)
class Sheet:
    """One customer's answer in each language."""

    told: Mapping[Language, Answer]


def sheets(
    scorer: Scorer, database: Database, customers: Sequence[str], *, actor: str
) -> list[Sheet]:
    """Answers about customers in three languages, each recorded in the audit chain.

    Raises:
        UnknownCustomer, NotReady: see ``answer``.
    """
    return [
        Sheet(
            {
                language: answer(scorer, database, who, language=language, actor=actor)[0]
                for language in LANGUAGES
            }
        )
        for who in customers
    ]


def spread_out(database: Database, count: int) -> list[str]:
    """Customers whom the most questions fit, evenly from the safest to the riskiest.

    Raises:
        NotReady: there is no book, or nobody in it has a score.
    """
    columns = ["customer_id", "status", "value"]
    answers = [
        pq.read_table(path, columns=columns).to_pandas().assign(model=path.stem)
        for path in sorted(newest_book(database).glob("*.parquet"))
        if path.is_dir()
    ]
    told = pd.concat(answers) if answers else pd.DataFrame(columns=[*columns, "model"])
    told = told[told["status"] == SCORABLE].astype({"customer_id": str, "model": str})
    if not len(told):
        raise NotReady("nobody in the newest book has a score.")
    questions = told["model"].str.partition(".")[0].groupby(told["customer_id"]).nunique()
    fit = questions.index[questions == questions.max()]
    risks = told[told["model"] == "credit_risk"].set_index("customer_id")["value"]
    ranked = pd.DataFrame({"risk": risks.reindex(fit, fill_value=0.0), "who": fit})
    customers = ranked.sort_values(["risk", "who"])["who"].tolist()
    last, picks = len(customers) - 1, min(count, len(customers))
    return [str(customers[round(n * last / max(picks - 1, 1))]) for n in range(picks)]


def page(told: Sequence[Sheet]) -> str:
    """The page, in English until another language is chosen."""
    titles = ", ".join(f"'{TAGS[one]}': '{said(TITLE, one)}'" for one in LANGUAGES)
    chosen = "".join(
        f"#in-{one}:checked ~ article[lang={TAGS[one]}] {{ display: block; }}"
        f" #in-{one}:checked ~ nav label[for=in-{one}]"
        " { background: var(--ink); border-color: var(--ink); color: #fff; }"
        f" #in-{one}:focus-visible ~ nav label[for=in-{one}] {{ outline: 2px solid var(--down); }}\n"
        for one in LANGUAGES
    )
    radios = "".join(
        f'<input type="radio" name="language" id="in-{one}" value="{TAGS[one]}"'
        f' aria-label="{NAMES[one]}"{" checked" if one == "en" else ""}>'
        for one in LANGUAGES
    )
    labels = "".join(
        f'<label for="in-{one}" lang="{TAGS[one]}">{NAMES[one]}</label>' for one in LANGUAGES
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{said(TITLE, 'en')}</title><style>{STYLE}{chosen}</style></head>"
        f"<body>{radios}<nav>{labels}</nav>"
        + "".join(_article(told, language) for language in LANGUAGES)
        + f"<script>{SCRIPT.replace('TITLES', '{' + titles + '}')}</script></body></html>\n"
    )


def write(told: Sequence[Sheet], path: Path) -> None:
    """Write the page where only its owner may read it: it names customers."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(page(told), encoding="utf-8")


def _article(told: Sequence[Sheet], language: Language) -> str:
    answers = [sheet.told[language] for sheet in told]
    day = max((one.as_of for one in answers), default="")
    about = said(ABOUT, language).format(count=len(answers), day=day)
    return (
        f'<article lang="{TAGS[language]}"><h1>{said(TITLE, language)}</h1>'
        f'<p class="about">{escape(about)}</p>'
        + "".join(_customer(one, language) for one in answers)
        + f"<footer>{said(FOOT, language)}</footer></article>"
    )


def _customer(told: Answer, language: Language) -> str:
    cards = "".join(_card(question, told, language) for question in QUESTIONS)
    return f'<section><h2>{escape(told.customer_id)}</h2><div class="cards">{cards}</div></section>'


def _card(question: str, told: Answer, language: Language) -> str:
    found = told.scores.get(question)
    products = found if isinstance(found, dict) else {}
    ranked = sorted(
        ((name, score) for name, score in products.items() if score.value is not None),
        key=lambda one: (-(one[1].value or 0.0), one[0]),
    )
    product, score = ranked[0] if ranked else ("", found if isinstance(found, Score) else None)
    if score is None and products:
        score = next(iter(products.values()))
    inner = _answered(question, product, score, language) if score else ""
    others = _others(ranked[1:], language) if ranked[1:] else ""
    return f'<div class="card"><h3>{said(ASKED[question], language)}</h3>{inner}{others}</div>'


def _answered(question: str, product: str, score: Score, language: Language) -> str:
    if score.value is None:
        colon = ": " if language == "en" else "："
        told = f"{said(NOT_ASKED, language)}{colon}{why_not(score.reason or '', language)}"
        return f'<p class="of">{escape(told)}</p>'
    mark = MARKS.get(score.status)
    badge = f'<span class="mark">{said(mark, language)}</span>' if mark else ""
    figure = said(FIGURE[question], language).format(
        days=score.horizon, product=said(PRODUCTS[product], language) if product else ""
    )
    beside = [figure, *_beside(score, language)]
    return (
        f'<div class="value">{shown_value(score.value, score)}{badge}</div>'
        f'<p class="of">{escape("; ".join(beside) if language == "en" else "；".join(beside))}</p>'
        f"{_reasons(score, language)}"
    )


def _beside(score: Score, language: Language) -> list[str]:
    """What stands beside the figure: its grade, or its interval."""
    found = []
    if score.credit is not None:
        found.append(said(GRADE, language).format(grade=score.credit.grade))
    if score.interval and score.coverage:
        low, high = (shown_value(one, score) for one in score.interval)
        share = f"{score.coverage:.0%}"
        found.append(said(BETWEEN, language).format(share=share, low=low, high=high))
    return found


def shown_value(value: float, score: Score) -> str:
    """A value of a score as a person reads it."""
    if score.unit == "probability":
        return f"{value:.1%}" if value >= 0.01 else f"{value:.2%}"
    return f"{value:,.0f} {escape(score.unit or '')}"


def _reasons(score: Score, language: Language) -> str:
    told = score.reasons or []
    most = max((abs(reason.impact) for reason in told), default=0.0) or 1.0
    heads = (
        f"<th>{said(REASON, language)}</th><th>{said(CUSTOMER, language)}</th>"
        f"<th>{said(TYPICAL, language)}</th><th></th><th>{said(EFFECT, language)}</th>"
    )
    rows = "".join(_row(reason, most, score, language) for reason in told)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(reason: Reason, most: float, score: Score, language: Language) -> str:
    feature, group = CATALOGUE[reason.feature], GROUP_OF[reason.feature]
    name, over = said(feature.reasons, language), said(group.reasons, language)
    small = "" if name == over else f"<small>{escape(over)}</small>"
    stands = (
        shown(float("nan") if value is None else value, feature.unit, language)
        for value in (reason.value, reason.typical)
    )
    cells = "".join(f"<td>{escape(one)}</td>" for one in stands)
    width = 50 * abs(reason.impact) / most
    scale = 10_000 if score.unit == "probability" else 1
    effect = moved_by(round(reason.impact * scale), score.unit or "", language)
    return (
        f"<tr><td>{escape(name)}{small}</td>{cells}"
        f'<td class="bar"><span><i class="{reason.direction}" style="width:{width:.1f}%"></i></span></td>'
        f'<td class="{reason.direction}">{escape(effect)}</td></tr>'
    )


def _others(ranked: Sequence[tuple[str, Score]], language: Language) -> str:
    told = " · ".join(
        f"{said(PRODUCTS[name], language)} <b>{shown_value(score.value or 0.0, score)}</b>"
        for name, score in ranked
    )
    return f'<p class="others">{said(OTHERS, language)}: {told}</p>'
