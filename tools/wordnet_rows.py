#!/usr/bin/env python3
"""Writes src/ego/synonyms.c or src/ego/common.c from WordNet 3.0 (Debian: wordnet-base). Nothing is added by hand.

synonyms: irregular forms, and everyday words of one meaning. Two words mean one thing when the commonest sense of both, over all parts of speech, is
the same synset, and at least one of them is seen three times in the sense-tagged texts WordNet counts.
common: how often the texts hold a word, for those seen forty times, under the stem that stands for it.
usage: tools/wordnet_rows.py synonyms|common [FOLDER] >src/ego/FILE.c
"""
import collections, os, sys

ROOT = sys.argv[2] if len(sys.argv) > 2 else "/usr/share/wordnet"
KINDS = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
SEEN = 3
COMMON = 40


def stem(w):
    """As `stem` in src/ego/words.c."""
    if len(w) > 4 and w.endswith("ies"):
        return w[:-3] + "y"
    if len(w) > 4 and w.endswith(("ses", "shes", "ches")):
        w = w[:-2]
    elif len(w) > 3 and w[-1] == "s" and w[-2] not in "su":
        w = w[:-1]
    if len(w) > 5 and w.endswith("ing"):
        w = w[:-3]
    elif len(w) > 4 and w.endswith("ed"):
        w = w[:-2]
    else:
        return w
    return w[:-1] if len(w) > 3 and w[-1] == w[-2] and w[-1] not in "lse" else w


def senses():
    """word -> [(count, kind, offset)]"""
    counts = {}
    for line in open(os.path.join(ROOT, "cntlist.rev")):
        key, number, count = line.split()
        word, rest = key.split("%")
        kind = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}[rest[0]]
        counts[word, kind, int(number)] = int(count)
    out = collections.defaultdict(list)
    for kind in KINDS:
        for line in open(os.path.join(ROOT, "index." + kind)):
            f = line.split()
            word = f[0]
            if line.startswith(" ") or not word.isalpha():
                continue
            for i, offset in enumerate(f[-int(f[2]):]):
                out[word].append((counts.get((word, kind, i + 1), 0), kind, offset))
    return out


def bent(word, top):
    """A form of a verb that is seen more often: "doing" is "do" before it is "behavior"."""
    bases = (word[:-3], word[:-3] + "e", word[:-4]) if word.endswith("ing") else ()
    return any(base in top and top[base][0] > top[word][0] for base in bases)


def synonym_pairs(table):
    top = {w: max(s, key=lambda x: (x[0], -KINDS[x[1]])) for w, s in table.items()}
    top = {w: s for w, s in top.items() if len(w) > 2 and not bent(w, top)}
    rows = collections.defaultdict(list)
    for word, sense in top.items():
        rows[sense[1:]].append((sense[0], word))
    head, weight = {}, {}
    for members in rows.values():
        members.sort(key=lambda m: (-m[0], m[1]))
        for count, word in members[:6]:
            if members[0][0] >= SEEN:
                head[word], weight[word] = members[0][1], count
    for kind in ("verb", "noun"):
        for line in open(os.path.join(ROOT, kind + ".exc")):
            form, base = line.split()[:2]
            if form.isalpha() and base in top and top[base][0] >= SEEN and (form not in top or top[form][0] < top[base][0]):
                head[form], weight[form] = head.get(base, base), top[base][0]
    pairs = {}
    for word in sorted(head, key=lambda w: (-weight[w], w)):
        for key in {stem(word), stem(word[:-1] + "ing") if word.endswith("e") else stem(word)}:
            pairs.setdefault(key, stem(head[word]))
    for key in pairs:  # a head that has a head of its own
        seen = {key}
        while pairs[key] in pairs and pairs[key] not in seen:
            seen.add(pairs[key])
            pairs[key] = pairs[pairs[key]]
    return pairs


def write(name, about, rows):
    print("/* %s - %s Made by tools/wordnet_rows.py from WordNet 3.0, Copyright 2006 Princeton University,\n * used under its licence; not edited by hand. */" % (name + ".c", about))
    print('#include "ego/ego_int.h"\n\n/* clang-format off */\nconst char *const ego_%s[] = {' % name)
    line = "   "
    for row in rows:
        piece = ' "%s %s",' % row
        if len(line) + len(piece) > 176:
            print(line)
            line = "   "
        line += piece
    print(line + "\n};\n/* clang-format on */\nconst int ego_%s_count = (int)COUNT_OF(ego_%s);" % (name, name))


def main():
    table = senses()
    pairs = synonym_pairs(table)
    if sys.argv[1:2] == ["synonyms"]:
        write("synonyms", "stems and the stems that stand for them, sorted.", sorted((k, v) for k, v in pairs.items() if v != k))
    elif sys.argv[1:2] == ["common"]:
        seen = collections.Counter()
        for word, found in table.items():
            seen[pairs.get(stem(word), stem(word))] += sum(count for count, _, _ in found)
        write("common", "common English words and how often texts hold them, sorted.", sorted(row for row in seen.items() if row[1] >= COMMON))
    else:
        raise SystemExit(__doc__)


main()
