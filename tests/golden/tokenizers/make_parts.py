"""parts.jsonl: what single normalizers, pre-tokenizers, decoders and small whole tokenizers do, as the tokenizers library 0.23.3 does it.

pip install tokenizers==0.23.3; python make_parts.py > parts.jsonl
Rows: {"normalizer"|"pre_tokenizer"|"decoder"|"tokenizer": its JSON, "in": text or list of tokens, "out": text, pieces or ids}.
For whole tokenizers "flags" are those of TOKENIZE_... in text.h.
"""
import json
import tokenizers

assert tokenizers.__version__ == "0.23.3"
EMPTY = json.loads(tokenizers.Tokenizer(tokenizers.models.BPE()).to_str())


def build(**parts):
    return tokenizers.Tokenizer.from_str(json.dumps({**EMPTY, **parts}))


def row(**fields):
    print(json.dumps(fields))


def pre(config, *texts):
    p = build(pre_tokenizer=config).pre_tokenizer
    for t in texts:
        row(pre_tokenizer=config, **{"in": t, "out": [x[0] for x in p.pre_tokenize_str(t)]})


def norm(config, *texts):
    n = build(normalizer=config).normalizer
    for t in texts:
        row(normalizer=config, **{"in": t, "out": n.normalize_str(t)})


def dec(config, *lists):
    d = build(decoder=config).decoder
    for tokens in lists:
        row(decoder=config, **{"in": tokens, "out": d.decode(list(tokens))})


def whole(config, *texts):
    t = tokenizers.Tokenizer.from_str(json.dumps({**EMPTY, **config}))
    for text in texts:
        for flags in (0, 2, 3):
            t.encode_special_tokens = not flags & 2
            row(tokenizer=config, flags=flags, **{"in": text, "out": t.encode(text, add_special_tokens=bool(flags & 1)).ids})


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
pre(split(QWEN), "I'm  OK, you'LL see\n\n  x 123!?\n", "日本語 e\u0301  \u3000x", "'ſ")
pre(split(QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)), "1234567 a")
for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
    for invert in (False, True):
        pre(split("-", behavior, invert, "String"), "-the-final--countdown-")
        pre(split("-*", behavior, invert), "-a--b")
for pattern, text in (
    (r"\d{1,3}+", "1234567"), (r"a{2}?", "aaaaa"), (r"a{2}+", "aaaaa"), (r"a{,2}", "aaaaa"), (r"a++a", "aaa"), (r"(?:ab){2}+", "ababab"), (r"\h+", "xyzabc g"),
    (r"x$", "x\nx"), (r"^x", "x\nx\n"), (r"[a-z&&[^b]]+", "abc&"), (r"[^[ab]c]+", "abcde"), (r"[[a]b]+", "abc]"), (r"[^\S\n]+", "a \n b"), (r"\p{^L}+", "ab12"),
    (r"(?m:.+)", "ab\ncd"), (r".+", "ab\ncd"), (r"a(?i)b|c", "aB C c"), (r"\s+", "a\u180eb\u3000c\u0085"), (r"\w+", "a²_é\u0301 b"), (r"[\w]+", "a²b"),
    (r"[\W]", "a² b"), (r"\bfoo\b", "foo éfoo"), (r"\p{Han}+", "a漢、字"), (r"[[:punct:]]+", "a!$é。"), (r"[[:alpha:]]+", "aé1Ⓐ"), (r"[\w-]+", "a-b c"),
    (r"[]a]+", "]a["), (r"[a\]\[]+", "a][b"), (r"[--/]", "a-.b"), (r"\s*", "a  b"), ("", "ab"), (r"a|", "ba"), (r"(?=b)", "abb"), (r"\p{L}+", "\U00031350\u1c89a"),
    (r"\x{41}\x41", "AAB"), (r"(?<n>a)\k<n>", "aaa"), (r"(?<!a)b", "ab b"), (r"a(?#no)b", "ab"), (r"\R", "a\r\nb\n"), (r"a{,}", "a{,}"), (r"x{y", "x{y"),
):
    pre(split(pattern), text)
for scheme in ("always", "first", "never"):
    for cut in (True, False):
        pre({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}, "Hey  you ", " a", "▁a", "")
pre({"type": "Metaspace", "replacement": "_", "add_prefix_space": True}, "a b")
pre({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": True}]}, "ab cd", " ab cd")
pre({"type": "Digits", "individual_digits": True}, "a12½٣b")
pre({"type": "Digits", "individual_digits": False}, "a12½٣b")
pre({"type": "Whitespace"}, "Hey, you² a\u200db  _x!")
pre({"type": "WhitespaceSplit"}, " a\u00a0b\u200bc ")
pre({"type": "Punctuation", "behavior": "Isolated"}, "a.b$¿ \u061d…")
pre({"type": "BertPreTokenizer"}, "it's  [x] 日")
pre({"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "Hello  wörld's\n42", " x", "\u00ad\x7f")
pre({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}, "Hello  wörld's\n42")

for form in ("NFC", "NFD", "NFKC", "NFKD"):
    norm({"type": form}, "e\u0301 q\u0307\u0323 ﬁ Å 각\u11a8 \u1100\u1161 ㋿ \u0958 a\u0344\u0327", "a\u0301\u1df6\u0323", "\u11935\u0030 \U00011935\U00011930", "abc", "")
norm({"type": "Lowercase"}, "ÀİΣ ẞ\u1c89")
norm({"type": "StripAccents"}, "e\u0301é\u0327\u093e\u1df6")
norm({"type": "Strip", "strip_left": True, "strip_right": False}, " \u3000é \n")
norm({"type": "Strip", "strip_left": False, "strip_right": True}, " é \n")
norm({"type": "Strip", "strip_left": True, "strip_right": True}, " \t ", "x")
norm({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, " a  b")
norm({"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, "a \n\t b")
norm({"type": "Replace", "pattern": {"Regex": "a*"}, "content": "-"}, "baac", "")
norm({"type": "Prepend", "prepend": "▁"}, "a", "")
norm({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}, "a b")
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
norm(BERT, "A\u0007É\u200b\ufffd日本\tẞ\u00a0İ", "É\U0002b820\U0002b920")
norm({**BERT, "clean_text": False, "handle_chinese_chars": False, "lowercase": False}, "A\u0007É日")
norm({**BERT, "strip_accents": False}, "É\U0002b820\U0002b920")

dec({"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, ["Ġa", "é日", "Ã", "©"], ["â", "a", "âĢ", "¦"], ["ÿ", "âĢ"], [])
LLAMA = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
dec({"type": "Sequence", "decoders": LLAMA}, ["▁▁a", "<0xE2>", "<0x80>", "<0xA6>", "▁b"], ["<0x41>", "<0xE2>", "a", "<0xE2>"], ["▁", "▁x"], ["<0x4>", "<0xgg>", "<0x4a>"])
dec({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, ["▁a▁x", "▁b▁c"])
dec({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}, ["▁a", "▁b"])
dec({"type": "WordPiece", "prefix": "##", "cleanup": True}, ["don", "'", "##t", "do", "n't", ".", "a"], ["a", "do not", "x", ", b ."])
dec({"type": "WordPiece", "prefix": "##", "cleanup": False}, ["##a", "##b", ".", "c"])
dec({"type": "BPEDecoder", "suffix": "</w>"}, ["a</w>", "b", "c</w>"])
dec({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}]}, ["a", "<0xE2>", "<0x80>"])
dec({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"Regex": "ab+"}, "content": "-"}]}, ["a", "b", "b", "c"])
dec({"type": "Strip", "content": "a", "start": 1, "stop": 1}, ["abca", "aba", "xa"])


def bpe(vocab, merges=(), **options):
    return {"model": {**EMPTY["model"], "vocab": {t: i for i, t in enumerate(vocab)}, "merges": [list(m) for m in merges], **options}}


def added(content, number, **flags):
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **flags}


AB = ["<unk>", "a", "b", "ab", "aab", "abab"]
MERGES = [("a", "b"), ("a", "ab"), ("ab", "ab")]
whole(bpe(AB, MERGES), "aababab", "axb", "abaabb")
whole(bpe(AB, MERGES, unk_token="<unk>"), "axyb", "xx")
whole(bpe(AB, MERGES, unk_token="<unk>", fuse_unk=True), "axyb", "xx")
whole(bpe(AB, MERGES[::-1], ignore_merges=True), "aab", "abab", "aabb")
BYTES = ["<unk>", "a", *("<0x%02X>" % b for b in (0x0A, 0xC3, 0xA9, 0x41))]
whole(bpe(BYTES, unk_token="<unk>", byte_fallback=True, fuse_unk=True), "é\naA", "xéyzèa", "xé")
whole(bpe(["a", "b</w>", "b", "ab</w>", "a</w>"], [("a", "b</w>")], end_of_word_suffix="</w>"), "ab", "abb", "ba", "a")
whole(bpe(["a", "##b", "ab", "##c", "abc", "b"], [("a", "##b"), ("ab", "##c")], continuing_subword_prefix="##"), "abc", "ab", "bab")
PIECES = {"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 6,
                    "vocab": {t: i for i, t in enumerate(["[UNK]", "un", "##aff", "##able", "aff", "é", "##é"])}},
          "pre_tokenizer": {"type": "WhitespaceSplit"}}
whole(PIECES, "unaff unaffable unaffx aff éé ééééééé", "")
TOKENS = [added("<s>", 6, special=True), added("<mask>", 7, lstrip=True, special=True), added("ab>", 8, rstrip=True), added("<m", 9, single_word=True), added("<mas", 10), added("É", 11, normalized=True)]
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<mask>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [6], "tokens": ["<s>"]}, "<mask>": {"id": "<mask>", "ids": [7, 7], "tokens": ["<mask>", "<mask>"]}}}
whole({**bpe(AB, MERGES, unk_token="<unk>"), "added_tokens": TOKENS, "post_processor": TEMPLATE, "normalizer": {"type": "Lowercase"}},
      "a<s>b", "a  <mask> b", "<mask><mask>", "aab>  b", "<m a<m <mb <mas", "É é", "<s", "")
whole({**bpe(AB, MERGES), "added_tokens": [added(" ", 6, lstrip=True, rstrip=True), added("a ", 7, rstrip=True)]}, "b   a  b ", " \n ")
whole({**bpe(AB, MERGES), "added_tokens": TOKENS, "post_processor": {"type": "RobertaProcessing", "sep": ["<mask>", 7], "cls": ["<s>", 6], "trim_offsets": True, "add_prefix_space": True}}, "ab")
whole({**bpe(AB, MERGES), "added_tokens": TOKENS, "post_processor": {"type": "BertProcessing", "sep": ["<mask>", 7], "cls": ["<s>", 6]}}, "ab")
whole({**bpe(AB, MERGES), "added_tokens": TOKENS, "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, TEMPLATE]}}, "ab")
