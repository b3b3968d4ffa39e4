"""bench_whisper.py LMM MODEL [THREADS] - speech to text: word error rate on 20 spoken sentences at three speeds, and the real-time factor beside transformers.

MODEL is a folder with CTranslate2's model.bin (./dev models). The voice is espeak-ng's, at 16 kHz. With torch and transformers the same weights run there too, alternating with
ours on the same file; without them that half is left out. Each line of the result is JSON. Run it on an idle machine.
"""
import json, os, re, struct, subprocess, sys, tempfile, time, wave

SENTENCES = """The birch canoe slid on the smooth planks.
Please put the red cup on the kitchen table.
My brother bought three apples at the market.
The train to the city leaves in the morning.
Rice is often served in round bowls.
She closed the window before the rain began.
We watched the boats come back to the harbor.
The teacher wrote a short letter to the parents.
He lost his keys somewhere in the garden.
A large size in stockings is hard to sell.
The dog slept all day beside the warm stove.
They walked along the river until it was dark.
Can you help me carry this heavy box?
The museum is closed on the first day of the week.
Her grandmother makes the best soup in the village.
The small pup gnawed a hole in the sock.
There was no milk left in the refrigerator.
The doctor told him to rest for several days.
We need more paper and a new pair of scissors.
The old clock on the wall has stopped again.""".split("\n")
SPEEDS = (130, 175, 220)  # words a minute; espeak-ng's own is 175


def words(text):
    return re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split()


def errors(want, got):
    """Substitutions, insertions and deletions between two lists of words."""
    row = list(range(len(got) + 1))
    for i, w in enumerate(want, 1):
        last, row[0] = row[0], i
        for j, g in enumerate(got, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (w != g))
    return row[-1]


def speak(folder):
    """[(speed, sentence, wav)]"""
    out = []
    for speed in SPEEDS:
        for i, s in enumerate(SENTENCES):
            path = os.path.join(folder, f"{speed}_{i:02}.wav")
            spoken = subprocess.run(["espeak-ng", "-v", "en-us", "-s", str(speed), "--stdout", s], check=True, stdout=subprocess.PIPE).stdout
            subprocess.run(["ffmpeg", "-v", "error", "-i", "-", "-ar", "16000", path], check=True, input=spoken)
            out.append((speed, s, path))
    return out


def joined(folder, spoken):
    """All sentences one after another in one file; its seconds."""
    path = os.path.join(folder, "all.wav")
    with wave.open(path, "wb") as to:
        for n, (_, _, p) in enumerate(spoken):
            with wave.open(p) as f:
                if not n:
                    to.setparams(f.getparams())
                to.writeframes(f.readframes(f.getnframes()) + bytes(f.getframerate()))
    with wave.open(path) as f:
        return path, f.getnframes() / f.getframerate()


def report(name, spoken, texts):
    for speed in SPEEDS + (None,):
        rows = [(s, t) for (v, s, _), t in zip(spoken, texts) if speed in (None, v)]
        wrong, all_ = sum(errors(words(s), words(t)) for s, t in rows), sum(len(words(s)) for s, _ in rows)
        print(json.dumps({"who": name, "words_a_minute": speed or "all", "words": all_, "errors": wrong, "wer": round(wrong / all_, 4)}), flush=True)


def ours(lmm, model, threads, paths, greedy=False):
    """Texts, and seconds of the whole command, opening the model included."""
    start = time.monotonic()
    out = subprocess.run([lmm, "transcribe", "-m", model, "-t", str(threads), "--json", *["--no-fallback"] * greedy, *paths], check=True,
                         stdout=subprocess.PIPE).stdout
    return [json.loads(line)["text"] for line in out.splitlines()], time.monotonic() - start


# ---- the same weights in transformers ----

PARTS = {"self_attention/layer_norm": "self_attn_layer_norm", "self_attention/linear_1": "self_attn.out_proj", "attention/layer_norm": "encoder_attn_layer_norm",
         "attention/linear_0": "encoder_attn.q_proj", "attention/linear_2": "encoder_attn.out_proj", "ffn/layer_norm": "final_layer_norm", "ffn/linear_0": "fc1",
         "ffn/linear_1": "fc2", "conv1": "conv1", "conv2": "conv2", "layer_norm": "layer_norm"}
STACKED = {"self_attention/linear_0": ("self_attn", "qkv"), "attention/linear_1": ("encoder_attn", "kv")}
KINDS = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}


def variables(path):
    """CTranslate2's model.bin, version 6, float16 and float32 variables: name -> array."""
    import numpy

    data, at, out = open(path, "rb").read(), 0, {}

    def take(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return value

    def string():
        nonlocal at
        n = take("H")
        at += n
        return data[at - n:at - 1].decode()

    assert take("I") == 6 and string() == "WhisperSpec"
    take("I")
    for _ in range(take("I")):
        name, shape = string(), [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        if kind in (0, 4):
            out[name] = numpy.frombuffer(data, "<f4" if kind == 0 else "<f2", size // (4 if kind == 0 else 2), at).reshape(shape).astype("f4")
        at += size
    return out


def peer(model):
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    raw = variables(os.path.join(model, "model.bin"))
    width, bands = raw["encoder/conv1/weight"].shape[:2]
    layers = 1 + max(int(m[1]) for m in (re.match(r"encoder/layer_(\d+)/", n) for n in raw) if m)
    own = json.load(open(os.path.join(model, "config.json")))
    config = WhisperConfig(vocab_size=raw["decoder/embeddings/weight"].shape[0], num_mel_bins=bands, d_model=width, encoder_layers=layers, decoder_layers=layers,
                           encoder_attention_heads=width // 64, decoder_attention_heads=width // 64, encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width)
    state = {}
    for name, value in raw.items():
        side, rest = name.split("/", 1)
        prefix = f"model.{side}."
        if rest.startswith("layer_") and rest[6].isdigit():
            number, rest = rest[6:].split("/", 1)
            prefix += f"layers.{number}."
        stem, _, kind = rest.rpartition("/")
        tensor = torch.from_numpy(value)
        if rest == "position_encodings/encodings":
            state[prefix + "embed_positions.weight"] = tensor
        elif rest == "embeddings/weight":
            state[prefix + "embed_tokens.weight"] = state["proj_out.weight"] = tensor
        elif stem in STACKED:
            where, which = STACKED[stem]
            for letter, piece in zip(which, tensor.chunk(len(which))):
                if not (letter == "k" and kind == "bias"):
                    state[f"{prefix}{where}.{letter}_proj.{kind}"] = piece
        elif stem in PARTS:
            state[f"{prefix}{PARTS[stem]}.{KINDS[kind]}"] = tensor
    net = WhisperForConditionalGeneration(config).eval()
    missing = net.load_state_dict(state, strict=False)
    assert not missing.missing_keys and not missing.unexpected_keys, missing
    g = net.generation_config
    g.decoder_start_token_id, g.eos_token_id, g.pad_token_id, g.bos_token_id = 50257, 50256, 50256, 50256
    g.no_timestamps_token_id, g.is_multilingual, g.max_initial_timestamp_index, g.max_length = 50362, False, 50, 448
    g.suppress_tokens, g.begin_suppress_tokens = own["suppress_ids"], own["suppress_ids_begin"]
    return net, WhisperFeatureExtractor(feature_size=bands)


def theirs(net, features, tokenizer, paths, greedy=False):
    """The same rules: times, windows that go on at the last segment, tried again at higher temperatures."""
    import numpy, torch

    again = dict(temperature=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), logprob_threshold=-1.0, compression_ratio_threshold=2.4, no_speech_threshold=0.6)
    texts, start = [], time.monotonic()
    for p in paths:
        with wave.open(p) as f:
            x = numpy.frombuffer(f.readframes(f.getnframes()), "<i2").astype("f4") / 32768
        long = len(x) > 480000
        mel = features(x, sampling_rate=16000, return_tensors="pt", truncation=False, padding="longest" if long else "max_length", return_attention_mask=True)
        with torch.no_grad():
            ids = net.generate(mel.input_features, attention_mask=mel.attention_mask, return_timestamps=True, **({} if greedy else again))
        ids = ids["sequences"] if isinstance(ids, dict) else ids
        texts.append(tokenizer.decode([i for i in ids[0].tolist() if i < 50256]))
    return texts, time.monotonic() - start


def main():
    lmm, model, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 2
    with tempfile.TemporaryDirectory() as folder:
        spoken = speak(folder)
        whole, seconds = joined(folder, spoken)
        paths = [p for *_, p in spoken]
        report("lmm", spoken, ours(lmm, model, threads, paths)[0])
        try:
            import torch, transformers, tokenizers
        except ImportError:
            torch = None
            print("skipped: transformers, which this Python does not have")
        best = {"lmm": float("inf")}
        if torch:
            torch.set_num_threads(threads)
            transformers.logging.set_verbosity_error()
            net, features = peer(model)
            tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
            report("transformers", spoken, theirs(net, features, tokenizer, paths)[0])
            greedy = zip(ours(lmm, model, threads, paths, True)[0], theirs(net, features, tokenizer, paths, True)[0])  # no chance in it
            print(json.dumps({"greedy_texts_the_same": sum(a.strip() == b.strip() for a, b in greedy), "of": len(paths)}), flush=True)
            best["transformers"] = float("inf")
        for _ in range(int(os.environ.get("LMM_BENCH_ROUNDS", "3"))):
            best["lmm"] = min(best["lmm"], ours(lmm, model, threads, [whole])[1])
            if torch:
                best["transformers"] = min(best["transformers"], theirs(net, features, tokenizer, [whole])[1])
        for who, t in best.items():
            print(json.dumps({"who": who, "threads": threads, "sound_s": round(seconds, 1), "best_s": round(t, 2), "real_time_factor": round(t / seconds, 4)}))
        if torch:
            print(json.dumps({"speed_ratio": round(best["transformers"] / best["lmm"], 2)}))


if __name__ == "__main__":
    main()
