"""egogpt_reference.py LMM QWEN2_FOLDER - EgoGPT as a few lines of PyTorch beside lmm: a tiny checkpoint in the published layout with random weights, one prompt with a
picture, a video and a sound of two windows; features, logits and greedy ids are compared.

QWEN2_FOLDER: a small Qwen2 with its tokenizer (golden/checkpoints/qwen2). Needs torch, transformers, numpy, pillow, safetensors, tokenizers.
"""
import json, os, shutil, subprocess, sys, tempfile, wave

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM, SiglipVisionConfig, SiglipVisionModel, WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

SIDE, PATCH, BANDS, ROWS, STACK, WIDTH = 70, 14, 80, 52, 5, 96  # 5 x 5 patches; 52 encoder rows a window, of which 2 fill no stack
OPENAI = [("self_attn.q_proj", "attn.query"), ("self_attn.k_proj", "attn.key"), ("self_attn.v_proj", "attn.value"), ("self_attn.out_proj", "attn.out"),
          ("self_attn_layer_norm", "attn_ln"), ("final_layer_norm", "mlp_ln"), ("fc1", "mlp.0"), ("fc2", "mlp.2"), ("layers.", "blocks."),
          ("embed_positions.weight", "positional_embedding")]


def parts(qwen):
    torch.manual_seed(3)
    decoder = Qwen2ForCausalLM.from_pretrained(qwen, dtype=torch.float32).eval()
    D = decoder.config.hidden_size
    tower = SiglipVisionModel(SiglipVisionConfig(hidden_size=128, intermediate_size=160, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE,
                                                 patch_size=PATCH, vision_use_head=False)).eval()
    ear = WhisperEncoder(WhisperConfig(d_model=128, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=256, num_mel_bins=BANDS,
                                       max_source_positions=ROWS)).eval()
    with torch.no_grad():  # the defaults are so small that nothing would show
        for p in (*tower.parameters(), *ear.parameters()):
            if p.dim() > 1:
                p.copy_(torch.randn_like(p) / p[0].numel() ** 0.5)
    seq = torch.nn.Sequential
    look = seq(torch.nn.Linear(128, D), torch.nn.GELU(), torch.nn.Linear(D, D))
    listen = seq(torch.nn.Linear(128 * STACK, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, D))
    return decoder, tower, ear, look, listen, torch.randn(D) * 0.1


def save(folder, qwen, decoder, tower, ear, look, listen, newline):
    state = {k: v for k, v in decoder.state_dict().items()}
    for k, v in tower.state_dict().items():
        if not k.split("vision_model.")[-1].startswith("head"):
            state["model.vision_tower.vision_tower.vision_model." + k.split("vision_model.")[-1]] = v
    for k, v in ear.state_dict().items():
        k = "ln_post" + k[len("layer_norm"):] if k.startswith("layer_norm") else k
        for ours, theirs in OPENAI:
            k = k.replace(ours, theirs)
        state["model.speech_encoder." + k] = v
    for i in (0, 2):
        for what in ("weight", "bias"):
            state[f"model.mm_projector.{i}.{what}"] = getattr(look[i], what).data
            state[f"model.speech_projector.linear{i // 2 + 1}.{what}"] = getattr(listen[i], what).data
    state["model.image_newline"] = newline
    save_file({k: v.clone().contiguous() for k, v in state.items()}, os.path.join(folder, "model.safetensors"))
    config = json.load(open(os.path.join(qwen, "config.json")))
    config.update(architectures=["EgoGPTQwenForCausalLM"], model_type="egogpt_qwen", mm_vision_tower="siglip", mm_projector_type="mlp2x_gelu",
                  image_aspect_ratio="square", mm_patch_merge_type="spatial_unpad", mm_newline_position="grid", speech_encoder_ds_rate=STACK,
                  rope_scaling={"type": "linear", "factor": 4.0})  # which EgoGPT does not look at
    json.dump(config, open(os.path.join(folder, "config.json"), "w"))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if os.path.exists(os.path.join(qwen, name)):
            shutil.copyfile(os.path.join(qwen, name), os.path.join(folder, name))


def media(folder):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    os.mkdir(os.path.join(folder, "clip"))
    for i, f in enumerate(frames):
        Image.fromarray(f).save(os.path.join(folder, f"clip/{i}.png") if i else os.path.join(folder, "picture.png"))
    samples = (rng.standard_normal(25000) * 3000).astype("<i2")
    with wave.open(os.path.join(folder, "sound.wav"), "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(16000)
        w.writeframes(samples.tobytes())
    return frames, samples.astype("f4") / 32768


def see(tower, look, frames):
    x = torch.from_numpy(frames.astype("f4")).permute(0, 3, 1, 2) / 255
    return look(tower(pixel_values=(x - 0.5) / 0.5, output_hidden_states=True).hidden_states[-1])


def watch(tower, look, newline, frames):
    """Frames behind the projector, means of 2 x 2, a newline behind every line."""
    x, side = see(tower, look, frames), SIDE // PATCH
    x = F.avg_pool2d(x.view(len(frames), side, side, -1).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    return torch.cat([x, newline.expand(*x.shape[:2], 1, -1)], 2).flatten(0, 2)


def hear(ear, listen, samples):
    window, out = 2 * ROWS * 160, []
    f = WhisperFeatureExtractor(feature_size=BANDS)
    for at in range(0, len(samples), window):
        mel = f(samples[at:at + window], sampling_rate=16000, return_tensors="pt", padding="max_length", max_length=window, truncation=True).input_features
        x = ear(mel).last_hidden_state[0]
        out.append(listen(x[:ROWS // STACK * STACK].reshape(ROWS // STACK, -1)))
    return torch.cat(out)


@torch.no_grad()
def main():
    lmm, qwen = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        decoder, tower, ear, look, listen, newline = all_ = parts(qwen)
        save(folder, qwen, *all_)
        frames, samples = media(folder)
        pieces, tokenizer = ["Hello ", " and ", " then ", " what?"], Tokenizer.from_file(os.path.join(qwen, "tokenizer.json"))
        rows = [torch.cat([see(tower, look, frames[:1])[0], newline[None]]), watch(tower, look, newline, frames[1:]), hear(ear, listen, samples)]
        x = []
        for i, p in enumerate(pieces):
            x.append(decoder.model.embed_tokens(torch.tensor(tokenizer.encode(p, add_special_tokens=False).ids)))
            x += rows[i:i + 1]
        x = torch.cat(x)[None]
        want = decoder(inputs_embeds=x).logits[0]
        ids = []
        for _ in range(8):
            ids.append(int(decoder(inputs_embeds=x).logits[0, -1].argmax()))
            x = torch.cat([x, decoder.model.embed_tokens(torch.tensor([[ids[-1]]]))], 1)
        out = os.path.join(folder, "out.safetensors")
        subprocess.run([lmm, "trace", "-m", folder, "--raw", "<image>".join(pieces[:3]) + "<speech>" + pieces[3], "--image", folder + "/picture.png", "--video",
                        folder + "/clip", "--frames", "3", "--audio", folder + "/sound.wav", "--generate", "8", "-o", out], check=True)
        got = load_file(out)
        bad = 0
        for name, a, b, limit in (("video_features", got["video_features"], rows[1], 1e-4), ("speech_features", got["speech_features"], rows[2], 1e-3),
                                  ("logits", got["logits"], want, 2e-3)):
            d = float((a.reshape(b.shape) - b).abs().max()) if a.numel() == b.numel() else float("inf")
            print(f"{name} {tuple(b.shape)}: largest {float(b.abs().max()):.3f}, differs by {d:.2e} (limit {limit:g})")
            bad += not d <= limit
        same = got["generated_ids"].tolist() == ids
        print(f"greedy ids {ids}: {'the same' if same else got['generated_ids'].tolist()}")
        sys.exit(1 if bad or not same else 0)


main()
