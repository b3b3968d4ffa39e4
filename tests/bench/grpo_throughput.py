"""GRPO of `lmm train grpo` and of TRL's GRPOTrainer: tokens a second of the rollout and seconds of a whole step, on the same small LLaVA.

usage: grpo_throughput.py [--model models/mini-v0] [--data data] [--lmm build/release/lmm] [--prompts 8] [--group 8] [--tokens 64] [--steps 6] [--rounds 3] [--threads 2]

Both answer the same questions about the same pictures: PROMPTS questions a step, GROUP answers each, of exactly TOKENS tokens. For that the copy of the model they open ends an
answer at <pad>, which it never says. Loss dapo, temperature 1, one update a rollout, no KL term, AdamW, f32. TRL generates with transformers (vLLM needs a GPU), all answers in
one batch, and recomputes no activations. The programs take turns; of each the first step of a round is left out (it warms up), of the others the median counts, and of the rounds
the best. A step is everything from one update to the next. Needs the data set easyvqa, torch, transformers, trl, datasets and pillow. Run it on a quiet machine."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
parser = argparse.ArgumentParser()
parser.add_argument("--model", default=os.path.join(root, "models/mini-v0"))
parser.add_argument("--data", default=os.path.join(root, "data"))
parser.add_argument("--lmm", default=os.path.join(root, "build/release/lmm"))
parser.add_argument("--prompts", type=int, default=8)
parser.add_argument("--group", type=int, default=8)
parser.add_argument("--tokens", type=int, default=64)
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--trl", metavar="FOLDER", help=argparse.SUPPRESS)  # this process is TRL's turn
args = parser.parse_args()
pictures = os.path.join(args.data, "easyvqa/easy_vqa/data/train/images")
answers = args.prompts * args.group


def edit(path, change):
    with open(path) as f:
        value = json.load(f)
    change(value)
    with open(path, "w") as f:
        json.dump(value, f)


def endless_copy(folder):
    """The model, with an end token it never says."""
    shutil.copytree(args.model, folder)
    with open(os.path.join(folder, "config.json")) as f:
        pad = json.load(f)["text_config"]["pad_token_id"]
    edit(os.path.join(folder, "generation_config.json"), lambda c: c.update(eos_token_id=pad))
    edit(os.path.join(folder, "config.json"), lambda c: c["text_config"].update(eos_token_id=pad))
    edit(os.path.join(folder, "tokenizer_config.json"), lambda c: c.update(eos_token="<pad>"))


def write_prompts(path):
    with open(os.path.join(args.data, "easyvqa/think.json")) as f:
        records = json.load(f)[: args.prompts * args.steps]
    with open(path, "w") as f:
        for r in records:
            question = r["conversations"][0]["value"].replace("<image>\n", "")
            f.write(json.dumps({"image": r["image"], "problem": question, "solution": r["conversations"][1]["value"]}) + "\n")


def summary(steps, rollouts, tokens):
    """Of the steps but for the first: median seconds of a step and of its rollout, tokens a rollout."""
    return {"step": statistics.median(steps[1:]), "rollout": statistics.median(rollouts[1:]), "tokens": statistics.mean(tokens[1:])}


def run_lmm(folder):
    run = os.path.join(folder, "run")
    shutil.rmtree(run, ignore_errors=True)
    with open(os.path.join(folder, "grpo.yaml"), "w") as f:
        json.dump({"run": run, "model": {"open": os.path.join(folder, "model")},
                   "data": [{"path": os.path.join(folder, "prompts.jsonl"), "images": pictures}],
                   "batch": answers, "steps": args.steps, "log_every": 1, "save_every": 1000, "optimizer": {"lr": 1e-5, "clip": 1.0},
                   "schedule": {"kind": "constant", "warmup": 0},
                   "grpo": {"loss": "dapo", "group": args.group, "max_tokens": args.tokens, "temperature": 1, "rewards": [{"name": "repeated_words"}]}}, f)
    subprocess.run([args.lmm, "train", "grpo", "-c", os.path.join(folder, "grpo.yaml"), "-t", str(args.threads), "--quiet"], check=True)
    with open(os.path.join(run, "metrics.jsonl")) as f:
        rows = [json.loads(line) for line in f]
    ends = [0.0] + [r["seconds"] for r in rows]
    found = summary([b - a for a, b in zip(ends, ends[1:])], [r["rollout/seconds"] for r in rows],
                    [r["completions/mean_length"] * answers for r in rows])
    found["prefill"], found["sampled"] = rows[-1]["tokens/prefill"], rows[-1]["tokens/sampled"]
    return found


def run_trl(folder):
    import torch
    import transformers
    from datasets import Dataset
    from PIL import Image
    from trl import GRPOConfig, GRPOTrainer
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = os.path.join(folder, "model")
    processor = transformers.LlavaProcessor(
        image_processor=transformers.SiglipImageProcessor.from_pretrained(model),
        tokenizer=transformers.AutoTokenizer.from_pretrained(model, padding_side="left"), patch_size=8, vision_feature_select_strategy="full",
        num_additional_image_tokens=0, chat_template=open(os.path.join(model, "chat_template.jinja")).read())
    with open(os.path.join(folder, "prompts.jsonl")) as f:
        rows = [json.loads(line) for line in f]
    data = Dataset.from_dict({"prompt": [[{"role": "user", "content": r["problem"]}] for r in rows],
                              "image": [Image.open(os.path.join(pictures, r["image"])).convert("RGB") for r in rows]})
    tokens, steps, rollouts = [], [], []

    def distinct(completions, completion_ids, **_):
        tokens.append(sum(len(ids) for ids in completion_ids))
        texts = [c[0]["content"] if isinstance(c, list) else c for c in completions]
        return [len(set(t.split())) / max(1, len(t.split())) for t in texts]

    class Clock(transformers.TrainerCallback):
        def on_train_begin(self, *_, **__):
            self.start = time.perf_counter()

        def on_step_end(self, *_, **__):
            now = time.perf_counter()
            steps.append(now - self.start)
            self.start = now

    class Timed(GRPOTrainer):
        def _generate(self, prompts):
            start = time.perf_counter()
            result = super()._generate(prompts)
            rollouts.append(time.perf_counter() - start)
            return result

    config = GRPOConfig(output_dir=os.path.join(folder, "trl"), use_cpu=True, bf16=False, gradient_checkpointing=False, learning_rate=1e-5, max_grad_norm=1.0,
                        per_device_train_batch_size=answers, num_generations=args.group, max_completion_length=args.tokens, max_steps=args.steps, beta=0.0,
                        temperature=1.0, loss_type="dapo", save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True)
    trainer = Timed(model=transformers.LlavaForConditionalGeneration.from_pretrained(model, dtype=torch.float32), reward_funcs=distinct, args=config,
                    train_dataset=data, processing_class=processor, callbacks=[Clock()])
    trainer.log = lambda *_, **__: None
    trainer.train()
    return summary(steps, rollouts, tokens)


def turn_of_trl(folder):
    options = [f"--{name}={getattr(args, name)}" for name in ("model", "data", "prompts", "group", "tokens", "steps", "threads")]
    done = subprocess.run([sys.executable, os.path.abspath(__file__), *options, "--trl", folder], check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"})
    return json.loads(done.stdout.strip().splitlines()[-1])


def best(rounds):
    return {"rollout": max(r["tokens"] / r["rollout"] for r in rounds), "step": min(r["step"] for r in rounds)}


def main():
    if args.trl:
        return print(json.dumps(run_trl(args.trl)))
    with tempfile.TemporaryDirectory() as folder:
        endless_copy(os.path.join(folder, "model"))
        write_prompts(os.path.join(folder, "prompts.jsonl"))
        ours, theirs = [], []
        for n in range(args.rounds):
            ours.append(run_lmm(folder))
            theirs.append(turn_of_trl(folder))
            print(f"round {n + 1}: lmm {ours[-1]}, trl {theirs[-1]}", file=sys.stderr)
    a, b, last = best(ours), best(theirs), ours[-1]
    print(f"{args.prompts} prompts x {args.group} answers x {args.tokens} tokens, {args.threads} threads\n")
    print("| | lmm | TRL | ratio |\n|---|---:|---:|---:|")
    print(f"| rollout, tokens/s | {a['rollout']:,.0f} | {b['rollout']:,.0f} | {a['rollout'] / b['rollout']:.2f} |")
    print(f"| whole step, s | {a['step']:.3f} | {b['step']:.3f} | {b['step'] / a['step']:.2f} |")
    print(f"\nlmm's rows in the last step: {last['prefill']:.0f} of prompts for {args.prompts} prompts, {last['sampled']:.0f} of answers "
          f"({answers} x {args.tokens - 1}: the last token is not read again)")


main()
