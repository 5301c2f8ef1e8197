"""A vocabulary for models that start from scratch: the characters of GB2312 and the pieces of ASCII words."""

from __future__ import annotations

import string

SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")

# Words that Chinese texts use as they are; anything else in ASCII is spelt in characters.
_WORDS = """
app apps wifi vip vr ai ip id ok pk qq mp3 mp4 ppt pdf word excel gps usb sim led lcd tv pc cpu gpu ios
android phone pad mini pro max plus note watch air music video game play star live show time home world china
city nba cba ktv dj mv ceo gdp dna km cm mm kg ml 4s 3d 2d 5g 4g 3g 20 19 100 10 12 15 30 50 60 80 90 200 300
500 1000 2000 2010 2015 2018 2019 2020 2021 2022 2023 2024 2025
"""


def sample_vocab() -> list[str]:
    """Tokens of a WordPiece vocabulary, the line number being the id; the heads stand as in ERNIE's own.

    The special tokens, then ASCII characters alone and as "##" continuations, some words, and the
    7,445 characters of GB2312 (6,763 hanzi and 682 symbols) in the order of their codes.
    """
    printable = [chr(code) for code in range(0x21, 0x7F)]
    continuations = [f"##{character}" for character in string.ascii_letters + string.digits]
    tokens = [*SPECIAL, *printable, *continuations, *_WORDS.split(), *_gb2312()]
    return list(dict.fromkeys(tokens))


def _gb2312() -> list[str]:
    characters = []
    for high in range(0xA1, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                character = bytes((high, low)).decode("gb2312")
            except UnicodeDecodeError:
                continue
            if not character.isspace():
                characters.append(character)
    return characters
