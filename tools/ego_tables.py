#!/usr/bin/env python3
"""Makes simulated test worlds, checks them, measures every system on them and prints the tables of docs/ego.md.

usage: tools/ego_tables.py LMM ENCODER WORK [--split test] [--seeds 101,102,103] [--questions 500] [--limit 0] [--jobs 2]

LMM is the program, ENCODER a sentence encoder of 384 numbers (MiniLM-L6), WORK a folder that is filled. Each wearer's recordings are a memory of their
own: what a view lets through is the same as in one memory of all six. Captions are embedded once a memory, questions once for all systems. Reports that
are there already are not made again, so a stopped run goes on.
"""
import argparse, concurrent.futures, glob, json, math, os, subprocess

# What is run on which track, and the names of its systems in the tables.
RUNS = [("noisy", ["-s", "ours,egorag,bm25,dense,nothing", "--leaks"], ["ours", "EgoRAG's structure", "BM25 only", "dense only", "question only"]),
        ("oracle", ["--oracle"], ["oracle evidence"])]


def run(*command, ok=(0,)):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in ok:
        raise SystemExit("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


def once(path, make):
    if not os.path.exists(path):
        text = make()
        with open(path + ".tmp", "w") as f:
            f.write(text)
        os.rename(path + ".tmp", path)
    return open(path).read()


def memory(a, world, track, wearer):
    path = os.path.join(world, "memory_%s_%s" % (track, wearer))
    if not os.path.exists(os.path.join(path, "done")):
        run(a.lmm, "ego", "init", path)
        run(a.lmm, "ego", "import", path, "-q", *["%s/%s/EgoLifeCap/%s/%s" % (world, track, kind, wearer) for kind in ("DenseCaption", "Transcript")])
        once(os.path.join(path, "done"), lambda: run(a.lmm, "ego", "build", path, "-q", "-t", "1", "-e", a.encoder))
    return path


def report(a, world, track, options, questions):
    wearer = os.path.basename(questions)[len("EgoSimQA_"):-len(".public.json")]
    command = [a.lmm, "ego", "eval", memory(a, world, track, wearer), questions, "-w", wearer, "-q", "-t", "1", "-e", a.encoder] + options
    if a.limit:
        command += ["--limit", str(a.limit)]
    return [json.loads(line) for line in once("%s/report_%s_%s.jsonl" % (world, track, wearer), lambda: run(*command)).splitlines()]


def measure(a, world):
    """Reports of all wearers by system."""
    files = sorted(glob.glob(world + "/questions/*.public.json"))
    results = {}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for track, options, names in RUNS:
            of_wearers = list(pool.map(lambda q: report(a, world, track, options, q), files))
            results.update({name: [reports[i] for reports in of_wearers] for i, name in enumerate(names)})
    return results


def total(reports, *path):
    out = [0, 0]
    for r in reports:
        for key in path:
            r = r.get(key, {})
        out[0] += r.get("right", 0)
        out[1] += r.get("n", 0)
    return out


def percent(pair):
    return "%.1f" % (100 * pair[0] / pair[1]) if pair[1] else "-"


def keys(reports, table):
    return sorted({k for r in reports for k in r[table]}, key=lambda k: (["<2h", "2-6h", "6-24h", ">24h"] + [k]).index(k))


def interval(pair):
    n, p, z = pair[1], pair[0] / max(pair[1], 1), 1.96
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n) if n else 0
    return "±%.1f" % (100 * half)


def mean(reports, key, weight="n"):
    n = sum(r[weight] for r in reports)
    return sum(r[key] * r[weight] for r in reports) / n if n else 0


def tables(seed, results):
    first = next(iter(results.values()))
    types, lengths = sorted(keys(first, "types")), keys(first, "certificate")
    print("\n### World %d\n" % seed)
    print("| system | micro | macro | %s | %s | hit@1 | hit@10 | cited hit | rows cited | n |" % (" | ".join(types), " | ".join(lengths)))
    print("|---|" + "---|" * (7 + len(types) + len(lengths)))
    for name, reports in results.items():
        by_type = [total(reports, "types", t) for t in types]
        macro = sum(100 * a / b for a, b in by_type if b) / len(by_type)
        whole = total(reports)
        row = [percent(whole) + " " + interval(whole), "%.1f" % macro] + [percent(t) for t in by_type] + [percent(total(reports, "certificate", l)) for l in lengths]
        row += ["%.2f" % mean(reports, "hit@1", "with_targets"), "%.2f" % mean(reports, "hit@10", "with_targets"), "%.2f" % mean(reports, "cited_hit", "with_targets"),
                "%.1f" % mean(reports, "cited", "with_targets"), str(whole[1])]
        print("| %s | %s |" % (name, " | ".join(row)))
    ours = results["ours"]
    traps = sum(r["traps"] for r in ours) or 1
    if not all("future_chosen_in_control" in r for r in ours):
        return print("\nNo leak index: ours was measured without --leaks.")
    print("\nTraps %d: the later answer is chosen %d times, %d times from a memory cut off for real (leak index %.2f %%); answers that differ between the two: %d." % (
        traps, sum(r["future_chosen"] for r in ours), sum(r.get("future_chosen_in_control", 0) for r in ours),
        100 * sum(r["future_chosen"] - r.get("future_chosen_in_control", 0) for r in ours) / traps, sum(r.get("answers_changed_by_control", 0) for r in ours)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("lmm"), p.add_argument("encoder"), p.add_argument("work")
    p.add_argument("--split", default="test"), p.add_argument("--seeds", default="101,102,103")
    p.add_argument("--questions", type=int, default=500), p.add_argument("--limit", type=int, default=0), p.add_argument("--jobs", type=int, default=2)
    a = p.parse_args()
    for seed in map(int, a.seeds.split(",")):
        world = os.path.join(a.work, "%s%d" % (a.split, seed))
        os.makedirs(world, exist_ok=True)
        once(world + "/made", lambda: run(a.lmm, "ego", "sim", world, "--seed", str(seed), "--split", a.split, "--questions", str(a.questions)))
        gates = once(world + "/gates", lambda: run(a.lmm, "ego", "sim", "check", world, ok=(0, 1, 2, 3, 4)))
        tables(seed, measure(a, world))
        failed = [line for line in gates.splitlines() if line.endswith("FAILED")]
        print("\nGates failed: %s.\n" % ("; ".join(failed) if failed else "none"), flush=True)


main()
