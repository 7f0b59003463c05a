"""Names and places of the simulated bank, in Chinese and romanised in the two common ways."""

import pyarrow as pa

from data.simulation.columns import Arrow


def _table(text: str) -> tuple[Arrow, Arrow, Arrow]:
    """Characters, their Wade-Giles and their Pinyin, from words of the form 張/Chang/Zhang."""
    rows = [word.split("/") for word in text.split()]
    chinese, wade, pinyin = zip(*rows, strict=True)
    return pa.array(chinese), pa.array(wade), pa.array(pinyin)


# The commonest first.
SURNAMES, SURNAMES_WADE, SURNAMES_PINYIN = _table("""
    陳/Chen/Chen 林/Lin/Lin 黃/Huang/Huang 張/Chang/Zhang 李/Li/Li 王/Wang/Wang 吳/Wu/Wu
    劉/Liu/Liu 蔡/Tsai/Cai 楊/Yang/Yang 許/Hsu/Xu 鄭/Cheng/Zheng 謝/Hsieh/Xie 洪/Hung/Hong
    郭/Kuo/Guo 邱/Chiu/Qiu 曾/Tseng/Zeng 廖/Liao/Liao 賴/Lai/Lai 徐/Hsu/Xu 周/Chou/Zhou
    葉/Yeh/Ye 蘇/Su/Su 莊/Chuang/Zhuang 呂/Lu/Lu 江/Chiang/Jiang 何/Ho/He 蕭/Hsiao/Xiao
    羅/Lo/Luo 高/Kao/Gao 潘/Pan/Pan 簡/Chien/Jian 朱/Chu/Zhu 鍾/Chung/Zhong 彭/Peng/Peng
    游/Yu/You 詹/Chan/Zhan 胡/Hu/Hu 施/Shih/Shi 沈/Shen/Shen 余/Yu/Yu 盧/Lu/Lu 梁/Liang/Liang
    趙/Chao/Zhao 顏/Yen/Yan 柯/Ko/Ke 翁/Weng/Weng 魏/Wei/Wei
""")
# Mostly women's, then for both, then mostly men's.
SYLLABLES, SYLLABLES_WADE, SYLLABLES_PINYIN = _table("""
    雅/Ya/Ya 淑/Shu/Shu 美/Mei/Mei 惠/Hui/Hui 怡/Yi/Yi 婷/Ting/Ting 欣/Hsin/Xin 佳/Chia/Jia
    宜/Yi/Yi 君/Chun/Jun 玉/Yu/Yu 秀/Hsiu/Xiu 麗/Li/Li 芳/Fang/Fang 雯/Wen/Wen 鳳/Feng/Feng
    珍/Chen/Zhen 珠/Chu/Zhu 月/Yueh/Yue 娟/Chuan/Juan 貞/Chen/Zhen 蘭/Lan/Lan 梅/Mei/Mei
    英/Ying/Ying 萍/Ping/Ping 琪/Chi/Qi 瑜/Yu/Yu 詩/Shih/Shi 涵/Han/Han 筑/Chu/Zhu 妤/Yu/Yu
    文/Wen/Wen 明/Ming/Ming 家/Chia/Jia 宇/Yu/Yu 嘉/Chia/Jia 安/An/An 元/Yuan/Yuan
    思/Szu/Si 華/Hua/Hua 春/Chun/Chun
    志/Chih/Zhi 俊/Chun/Jun 宗/Tsung/Zong 建/Chien/Jian 偉/Wei/Wei 宏/Hung/Hong 智/Chih/Zhi
    柏/Po/Bo 翰/Han/Han 彥/Yen/Yan 廷/Ting/Ting 承/Cheng/Cheng 冠/Kuan/Guan 哲/Che/Zhe
    豪/Hao/Hao 德/Te/De 榮/Jung/Rong 國/Kuo/Guo 正/Cheng/Zheng 忠/Chung/Zhong 信/Hsin/Xin
    義/Yi/Yi 仁/Jen/Ren 成/Cheng/Cheng 平/Ping/Ping 雄/Hsiung/Xiong 龍/Lung/Long
    翔/Hsiang/Xiang 凱/Kai/Kai 睿/Jui/Rui
""")
# Where the names for both begin, and where they end.
FOR_BOTH, MENS = SYLLABLES.to_pylist().index("文"), SYLLABLES.to_pylist().index("志")

# Name, region, postal code.
DISTRICTS = (
    ("臺北市大安區", "north", "106"),
    ("臺北市信義區", "north", "110"),
    ("臺北市士林區", "north", "111"),
    ("新北市板橋區", "north", "220"),
    ("新北市三重區", "north", "241"),
    ("新北市淡水區", "north", "251"),
    ("基隆市中正區", "north", "202"),
    ("桃園市桃園區", "north", "330"),
    ("桃園市中壢區", "north", "320"),
    ("新竹市東區", "north", "300"),
    ("新竹縣竹北市", "north", "302"),
    ("苗栗縣苗栗市", "central", "360"),
    ("臺中市西屯區", "central", "407"),
    ("臺中市北屯區", "central", "406"),
    ("臺中市豐原區", "central", "420"),
    ("彰化縣彰化市", "central", "500"),
    ("南投縣南投市", "central", "540"),
    ("雲林縣斗六市", "central", "640"),
    ("嘉義市東區", "south", "600"),
    ("嘉義縣民雄鄉", "south", "621"),
    ("臺南市東區", "south", "701"),
    ("臺南市永康區", "south", "710"),
    ("高雄市左營區", "south", "813"),
    ("高雄市三民區", "south", "807"),
    ("高雄市鳳山區", "south", "830"),
    ("屏東縣屏東市", "south", "900"),
    ("宜蘭縣宜蘭市", "east", "260"),
    ("花蓮縣花蓮市", "east", "970"),
    ("臺東縣臺東市", "east", "950"),
    ("澎湖縣馬公市", "islands", "880"),
)
ROADS = (
    "中正路",
    "中山路",
    "中華路",
    "民生路",
    "民權路",
    "民族路",
    "和平路",
    "建國路",
    "復興街",
    "光復路",
    "成功街",
    "文化路",
    "學府路",
    "忠孝路",
    "仁愛街",
    "信義路",
    "博愛街",
    "自由路",
    "公園路",
    "大同街",
)
OCCUPATIONS = (
    "student",
    "clerk",
    "engineer",
    "teacher",
    "civil servant",
    "nurse",
    "driver",
    "shop owner",
    "manager",
    "physician",
    "lawyer",
    "retired",
    "service worker",
    "technician",
)
