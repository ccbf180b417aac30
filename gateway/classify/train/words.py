#!/usr/bin/env python3
"""Words with their language, from the word lists of the package wordfreq: rows for the trainer.

    pip download --no-deps -d DIR wordfreq==3.1.1 opencc-python-reimplemented==0.1.7
    train/words.py DIR DIR/lang_words.jsonl.gz

The lists (CC-BY-SA-4.0) are made of several corpora each: Wikipedia, subtitles, news, books, the web. They hold
words by how often they occur, in steps of a hundredth of a factor of ten; a word that is rarer in a language
than a fifth of its highest share in any language is foreign there, and left out. Their Chinese is in simplified
characters: the tables of OpenCC (Apache-2.0) write it in traditional ones. Same input, same bytes.

Beside the words there are bags of words, drawn as often as they occur: what tells Malay from Indonesian is
less a word that only one has than how often each says it.
"""

import gzip
import json
import math
import itertools
import pathlib
import random
import struct
import sys
import zipfile

# Languages whose script other languages share, and the list's own code where it is another.
LANGUAGES = {
    "ar": "ar", "cs": "cs", "de": "de", "en": "en", "es": "es", "fa": "fa", "fi": "fi", "fr": "fr",
    "hi": "hi", "hu": "hu", "id": "id", "it": "it", "ja": "ja", "ms": "ms", "nl": "nl", "pl": "pl",
    "pt": "pt", "ro": "ro", "ru": "ru", "sv": "sv", "tl": "fil", "tr": "tr", "uk": "uk", "ur": "ur",
    "vi": "vi", "zh-Hans": "zh",
}
WORDS_MAX = 15_000
# Bags of each language, and of the two that share most of their words.
BAGS = 3_000
BAGS_CLOSE = 40_000
CLOSE = ("ms", "id")
SHARE_MIN = 0.2


def unpack(data, at=0):
    """One MessagePack value, of the few kinds that the lists use, and where it ends."""
    kind = data[at]
    if kind < 0x80:
        return kind, at + 1
    if 0xA0 <= kind < 0xC0:
        return data[at + 1 : at + 1 + (kind & 31)].decode(), at + 1 + (kind & 31)
    if kind in (0xD9, 0xDA):
        wide = kind == 0xDA
        size = struct.unpack_from(">H" if wide else ">B", data, at + 1)[0]
        begin = at + (3 if wide else 2)
        return data[begin : begin + size].decode(), begin + size
    if 0x90 <= kind < 0xA0:
        count, at = kind & 15, at + 1
    elif kind == 0xDC:
        count, at = struct.unpack_from(">H", data, at + 1)[0], at + 3
    elif kind == 0xDD:
        count, at = struct.unpack_from(">I", data, at + 1)[0], at + 5
    elif 0x80 <= kind < 0x90:
        pairs, at = {}, at + 1
        for _ in range(kind & 15):
            key, at = unpack(data, at)
            pairs[key], at = unpack(data, at)
        return pairs, at
    else:
        raise ValueError(f"MessagePack kind {kind:#x} at {at}")
    items = []
    for _ in range(count):
        item, at = unpack(data, at)
        items.append(item)
    return items, at


def words(wheel, code):
    """Words with their share of all words, the most frequent first."""
    data = gzip.decompress(wheel.read(f"wordfreq/data/small_{code}.msgpack.gz"))
    levels, _ = unpack(data)
    found = {}
    for step, level in enumerate(levels[1:]):
        for word in level:
            if word.isalpha() or "'" in word.strip("'") or any(0x0900 <= ord(c) < 0x0980 for c in word):
                found[word] = math.pow(10, -step / 100)
    return found


def traditional(wheel, words):
    """Chinese words in traditional characters: by phrases, else character by character."""
    tables = {}
    for name in ("STCharacters", "STPhrases"):
        for line in wheel.read(f"opencc/dictionary/{name}.txt").decode().splitlines():
            simplified, _, others = line.partition("\t")
            tables[simplified] = others.split(" ")[0].strip()
    spelt = lambda word: tables.get(word) or "".join(tables.get(c, c) for c in word)
    return {spelt(word): share for word, share in words.items()}


def bags(language, shares):
    """Bags of 2 to 14 words, drawn by their shares with a seed of the language's own."""
    if language in ("ja", "zh-Hans", "zh-Hant"):
        return
    draws = random.Random(language)
    words, sums = list(shares), list(itertools.accumulate(it**0.8 for it in shares.values()))
    for _ in range(BAGS_CLOSE if language in CLOSE else BAGS):
        drawn = draws.choices(words, cum_weights=sums, k=draws.randint(2, 14))
        yield {"text": " ".join(drawn), "lang": language, "kind": "bag", "source": "wordfreq"}


def main(folder, out_path):
    wheel = lambda name: zipfile.ZipFile(next(pathlib.Path(folder).glob(f"{name}-*.whl")))
    with wheel("wordfreq") as lists_of, wheel("opencc_python_reimplemented") as opencc:
        lists = {language: words(lists_of, code) for language, code in LANGUAGES.items()}
        lists["zh-Hant"] = traditional(opencc, lists["zh-Hans"])
    highest = {}
    for shares in lists.values():
        for word, share in shares.items():
            highest[word] = max(highest.get(word, 0), share)
    with open(out_path, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as out:
        for language, shares in lists.items():
            kept = [(w, s / highest[w]) for w, s in shares.items() if s >= SHARE_MIN * highest[w]]
            for word, part in kept[:WORDS_MAX]:
                row = {"text": word, "lang": language, "kind": "single_word", "source": "wordfreq"}
                row["share"] = round(part, 3)
                out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            for row in bags(language, shares):
                out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: words.py DIR OUT.jsonl.gz")
    main(sys.argv[1], sys.argv[2])
