#!/usr/bin/env python3
"""The media track: a drawn and spoken day goes through our own models into a memory, and is asked beside the text tracks of the same day.

usage: tools/ego_media.py teach LMM DATA
       tools/ego_media.py ask LMM ENCODER CAPTIONER WHISPER WORK [--seed 101] [--split test] [--wearer 1] [--day 1] [--questions 2000] [--clips 0]

teach draws days of training worlds and writes LLaVA conversations for configs/ego/captioner.yaml. ask makes a world, films every event one wearer perceived on one
day (ffmpeg: H.264; espeak-ng: a voice for each person), imports and captions the films (`lmm ego caption`), and asks all questions of that day of three
memories: of the films, of the noisy and of the clean text. The track lies in the world's folder, with heard.json, so that gate G5 is run on it. Nobody's name is to be seen: who is who comes from people.json, as a household would say it.
"""
import argparse, glob, json, os, random, subprocess

VOICES = ["en+m1", "en+m2", "en+m3", "en+f1", "en+f2", "en+m4", "en+m5", "en+f3", "en+f4", "en+m7"]
PROMPT = "what happens?"


def run(*command, ok=(0,)):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in ok:
        raise SystemExit("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


def lines(path):
    return [json.loads(line) for line in open(path)]


def plain(caption):
    return any(s in caption for s in (" is in ", " am in ", " speak"))


def teach(a):
    rows, pick = [], random.Random(1)
    for i in range(20):
        day = "%s/day%d" % (a.data, i)
        run(a.lmm, "ego", "sim", "render", day, "--seed", str(31 + i), "--split", "train", "--wearer", str(i % 6 + 1), "--day", str(i % 7 + 1))
        for c in lines(day + "/clips.jsonl"):
            if plain(c["caption"]) and pick.random() > 0.3:
                continue
            rows.append({"id": c["clip"], "image": "day%d/%s.bmp" % (i, c["clip"]),
                         "conversations": [{"from": "human", "value": "<image>\n" + PROMPT}, {"from": "gpt", "value": c["caption"]}]})
    pick.shuffle(rows)
    json.dump(rows, open(a.data + "/train.json", "w"))
    print("%d pictures in %s" % (len(rows), a.data))


def film(day, clip, out):
    if os.path.exists(out):
        return
    command, sound = ["ffmpeg", "-y", "-loglevel", "error", "-loop", "1", "-framerate", "2", "-i", "%s/%s.bmp" % (day, clip["clip"])], out + ".wav"
    if "speech" in clip:
        run("espeak-ng", "-v", VOICES[clip["actor"]], "-s", "150", "-w", sound, clip["speech"])
        command += ["-i", sound, "-c:a", "aac", "-shortest"]
    run(*command, "-t", "6", "-vf", "scale=256:256:flags=neighbor", "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-f", "mp4", out + ".tmp")
    os.rename(out + ".tmp", out)
    if "speech" in clip:
        os.remove(sound)


def select(a, world, wearer):
    """The questions of the day, in a folder of their own."""
    os.makedirs(a.work + "/questions", exist_ok=True), os.makedirs(a.work + "/sealed", exist_ok=True)
    of_day = None
    for kind, folder in (("public", "questions"), ("sealed", "sealed")):
        rows = json.load(open("%s/%s/EgoSimQA_%s.%s.json" % (world, folder, wearer, kind)))
        if of_day is None:
            of_day = {q["ID"] for q in rows if q["query_time"]["date"] == "DAY%d" % a.day}
            sealed = json.load(open("%s/sealed/EgoSimQA_%s.sealed.json" % (world, wearer)))
            of_day &= {q["ID"] for q in sealed if all(t["date"] == "DAY%d" % a.day for t in q["target_time"])}
        json.dump([q for q in rows if q["ID"] in of_day], open("%s/%s/EgoSimQA_%s.%s.json" % (a.work, folder, wearer, kind), "w"))
    return "%s/questions/EgoSimQA_%s.public.json" % (a.work, wearer)


def memory(a, name, paths, names=()):
    path = "%s/memory_%s" % (a.work, name)
    run(a.lmm, "ego", "init", path)
    run(a.lmm, "ego", "import", path, "-q", *paths)
    if name == "media":
        print(run(a.lmm, "ego", "caption", path, "-q", "-m", a.captioner, "-s", a.whisper, "-f", "1", "-p", PROMPT, *names).strip(), flush=True)
    run(a.lmm, "ego", "build", path, "-q", "-e", a.encoder)
    return path


def errors(want, have):
    """Words to change, of how many."""
    a, b = [[w.strip(".,!?;:").lower() for w in text.split()] for text in (want, have)]
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1], len(a)


def quality(a, wearer, clips, people, path):
    """How the models did, against what was drawn and said."""
    rows = [json.loads(line) for line in run(a.lmm, "ego", "timeline", path, "-w", wearer, "--json", "-n", "100000").splitlines()]
    by_start, heard = {}, {}
    for r in rows:
        (by_start if r["kind"] == "caption" else heard).setdefault(r["t0"], []).append(r["text"])
    exact = wrong = words = 0
    texts = {}
    for c in clips:
        want = " ".join(people.get(w.strip(",."), w.strip(",.")) + w[len(w.rstrip(",.")):] for w in c["caption"].split())
        exact += want in by_start.get(c["film_t0"], [])
        if "speech" in c:
            said = " ".join(t for t0 in sorted(heard) if c["film_t0"] <= t0 < c["film_t0"] + 6000 for t in heard[t0])
            e, n = errors(c["speech"], said)
            texts[c["clip"]] = said
            wrong, words = wrong + e, words + n
    print("captions word for word as drawn: %d of %d (%.1f %%); word errors of transcripts: %d of %d (%.1f %%)" % (
        exact, len(clips), 100 * exact / len(clips), wrong, words, 100 * wrong / max(words, 1)), flush=True)
    return texts


def ask(a):
    world = a.work + "/world"
    day = "%s/media/A%d_DAY%d" % (world, a.wearer, a.day)
    os.makedirs(a.work + "/films", exist_ok=True)
    if not os.path.exists(world + "/world.json"):
        run(a.lmm, "ego", "sim", world, "--seed", str(a.seed), "--split", a.split, "--questions", str(a.questions))
    run(a.lmm, "ego", "sim", "render", day, "--seed", str(a.seed), "--split", a.split, "--wearer", str(a.wearer), "--day", str(a.day))
    people, clips = json.load(open(day + "/people.json")), lines(day + "/clips.jsonl")
    clips = clips[:a.clips] if a.clips else clips
    wearer = os.path.basename(glob.glob("%s/questions/EgoSimQA_A%d_*.public.json" % (world, a.wearer))[0])[len("EgoSimQA_"):-len(".public.json")]
    for c in clips:
        s = c["clip"].rsplit("_", 1)[1]
        c["film_t0"] = ((a.day - 1) * 86400 + int(s[:2]) * 3600 + int(s[2:4]) * 60 + int(s[4:6])) * 1000 + int(s[6:]) * 50
        film(day, c, "%s/films/%s.mp4" % (a.work, c["clip"]))
    print("%d films, %d with speech" % (len(clips), sum("speech" in c for c in clips)), flush=True)
    names = [x for number, name in people.items() for x in ("--name", "%s=%s" % (number, name))]
    text = ["%s/{}/EgoLifeCap/%s/%s/DAY%d" % (world, kind, wearer, a.day) for kind in ("DenseCaption", "Transcript")]
    tracks = {"media": memory(a, "media", [a.work + "/films"], names)}
    json.dump(quality(a, wearer, clips, people, tracks["media"]), open(day + "/heard.json", "w"))
    print("".join(line + "\n" for line in run(a.lmm, "ego", "sim", "check", world, ok=(0, 1, 2, 3, 4)).splitlines() if line.startswith("G5")), flush=True)
    for track in ("noisy", "oracle"):
        tracks[track] = memory(a, track, [p.format(track) for p in text])
    questions = select(a, world, wearer)
    print("\n| memory of one day | ours | question only | hit@10 | n |\n|---|---|---|---|---|")
    for track, title in (("media", "films, our captions and transcripts"), ("noisy", "noisy text"), ("oracle", "clean text")):
        ours, nothing = [json.loads(r) for r in run(a.lmm, "ego", "eval", tracks[track], questions, "-w", wearer, "-q", "-e", a.encoder, "-s", "ours,nothing").splitlines()]
        low, high = ours["ci95"]
        print("| %s | %.1f ±%.1f | %.1f | %.2f | %d |" % (title, ours["micro"], (high - low) / 2, nothing["micro"], ours["hit@10"], ours["n"]), flush=True)


def main():
    p = argparse.ArgumentParser()
    verbs = p.add_subparsers(required=True)
    t = verbs.add_parser("teach")
    t.add_argument("lmm"), t.add_argument("data"), t.set_defaults(run=teach)
    q = verbs.add_parser("ask")
    for name in ("lmm", "encoder", "captioner", "whisper", "work"):
        q.add_argument(name)
    q.add_argument("--seed", type=int, default=101), q.add_argument("--split", default="test"), q.add_argument("--wearer", type=int, default=1)
    q.add_argument("--day", type=int, default=1), q.add_argument("--questions", type=int, default=2000), q.add_argument("--clips", type=int, default=0)
    q.set_defaults(run=ask)
    a = p.parse_args()
    a.run(a)


main()
