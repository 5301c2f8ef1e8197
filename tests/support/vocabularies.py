"""Vocabularies and texts for the tests of the tokenizer."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.text.tokenization import MAX_CHARS_PER_WORD, SPECIAL_TOKENS

SURROGATES = range(0xD800, 0xE000)
# Python ends the lines of a vocabulary file at these two, so no vocabulary can hold them.
LINE_ENDS = (0x0A, 0x0D)
LITTLE_VOCAB = [*SPECIAL_TOKENS, "你", "好", "，", "un", "##able", "##aff", "a", "##a", "b", "[", "]", "mask", "$"]

CASES = [
    "",
    " \t\r\n\u3000\u00a0\u2028\u2029",
    "你好，世界！",
    "\u3000全角\u3000空格\u00a0不换行\t制表\n换行\r\n",
    "控\x00制\x01字\x7f符\x85号\x1f",
    "零\u200b宽\u200d连\ufeff接\u2060\u00ad符",
    "替换\ufffd字符",
    "cafe\u0301 café ÅÇÑ ǅ İstanbul ΑΣ ΟΔΟΣ ẞ",
    "한국어 각 \u1100\u1161",
    "か\u3099が ｶﾞ ヴ",
    "😀😀👍🏽👨‍👩‍👧🇨🇳❤️",
    "€€¥￥$$→→←+=<>^`|~①②③ⅣⅫ㎡",
    "²º〇µØŋƱ",
    "\uf900\ufa0e\U0002f800\U0002b820\U0002b91f\U00030000",
    "\u037e\u0387\u1fef\u2260\u226e\u2000\u2126\u212a\u212b",
    "\U00011938\U0001193d\U00016ff0 \U0001d160\u302e\u302f",
    "\ue000\U000f0000\u0378\ufdd0",
    "a" * MAX_CHARS_PER_WORD,
    "a" * (MAX_CHARS_PER_WORD + 1),
    "a" * MAX_CHARS_PER_WORD + "\u0301\u200b",
    "é" * MAX_CHARS_PER_WORD,
    "각" * 34,
    "[mask] [ MASK ] [unk][CLS",
    "\ud800a\udfffb \ud83d\ude00",
]
NOTABLE = sorted({*"".join(CASES), *"aAbBzZ01[]#_中文字", "\u0302", "\u0345", "\u20dd", "\u0903", "\u0488"})


def character_vocab(code_points: Sequence[int]) -> list[str]:
    """A vocabulary in which no character hides behind [UNK]: every character, alone and as a continuation."""
    texts = [chr(cp) for cp in code_points if cp not in SURROGATES and cp not in LINE_ENDS]
    kept = [text for text in texts if unicodedata.category(text) not in ("Cn", "Co")]
    return [*SPECIAL_TOKENS, *(prefix + text for text in kept for prefix in ("", "##"))]


def write_vocab(path: Path, vocab: Sequence[str]) -> Path:
    path.write_text("".join(token + "\n" for token in vocab), encoding="utf-8", newline="")
    return path
