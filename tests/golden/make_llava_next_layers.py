"""Makes data/golden/checkpoints/llava_next_layers: the tiny llava_next checkpoint with three tower layers side by side (vision_feature_layer is a list), with
intermediates, logits, greedy ids, loss and gradients by transformers. Its inputs (ids, pixels, sizes, labels) are llava_next's own.

    python make_llava_next_layers.py ../../../shared/golden/checkpoints/llava_next      (torch 2.15.0, transformers 5.24.0)
"""
import json, os, shutil, sys
import torch
from safetensors.torch import load_file, save_file
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

source = sys.argv[1]
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data/golden/checkpoints/llava_next_layers")
layers = [-2, 0, 3]
given = load_file(os.path.join(source, "golden.safetensors"))
about = json.load(open(os.path.join(source, "golden.json")))

config = LlavaNextConfig.from_pretrained(source)
config.vision_feature_layer = layers
torch.manual_seed(5)
model = LlavaNextForConditionalGeneration(config)
model.set_attn_implementation("eager")
with torch.no_grad():
    for name, p in model.named_parameters():
        if p.dim() >= 2: p.normal_(0, 0.7 if "embed_tokens" in name else (p[0].numel()) ** -0.5)
        else: p.copy_(torch.randn_like(p) * 0.15 + ("norm" in name and name.endswith("weight")))
model.eval()
shutil.rmtree(out, ignore_errors=True)
os.makedirs(out)
model.save_pretrained(out)
for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json", "generation_config.json"):
    shutil.copy(os.path.join(source, name), out)
tensors, cases = {}, []
seen = {}
model.model.multi_modal_projector.register_forward_hook(lambda m, i, o: seen.update(projector_out=o))
for number in (0, 1):
    case = about["cases"][number]
    name = case["name"]
    inputs = {k: given[f"{name}.{k}"] for k in ("pixel_values", "image_sizes")}
    inputs["input_ids"] = given[f"{name}.input_ids"][None]
    with torch.no_grad():
        logits = model(**inputs).logits[0]
        features = torch.cat(model.model.get_image_features(inputs["pixel_values"], inputs["image_sizes"], return_dict=True).pooler_output)
        ids = model.generate(**inputs, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)[0, inputs["input_ids"].shape[1]:]
    at = given[f"{name}.logits_positions"]
    tensors.update({f"{name}.projector_out": seen["projector_out"], f"{name}.image_features": features, f"{name}.logits": logits[at], f"{name}.logits_positions": at,
                    f"{name}.input_ids": given[f"{name}.input_ids"], f"{name}.generated_ids": ids, f"{name}.image_sizes": inputs["image_sizes"]})
    if number == 0: tensors[f"{name}.pixel_values"] = inputs["pixel_values"]
    cases.append({"name": name, "prompt": case["prompt"], "images": case["images"], "input_ids": case["input_ids"], "generated_ids": ids.tolist()})

batch = {"input_ids": given["case0.input_ids"][None], "pixel_values": given["case0.pixel_values"], "image_sizes": given["case0.image_sizes"], "labels": given["train.labels"]}
loss = model(**batch).loss
loss.backward()
tensors["train.labels"] = batch["labels"]
tensors["train.loss"] = loss.detach().reshape(1)
for name, p in model.named_parameters():
    if p.grad is not None: tensors["grad." + name] = p.grad
save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, os.path.join(out, "golden.safetensors"))
json.dump({"family": "llava_next", "cases": cases, "train": {"loss": loss.item()}, "torch": torch.__version__}, open(os.path.join(out, "golden.json"), "w"), indent=1)
for name in os.listdir(out): os.chmod(os.path.join(out, name), 0o644)
