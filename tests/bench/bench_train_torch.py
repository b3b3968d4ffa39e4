"""The models of bench_train.c in PyTorch on the CPU, in f32 or under bf16 autocast: one JSON line. usage: bench_train_torch.py 8m|135m|llava f32|bf16 [SECONDS]"""
import json, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

PICTURE_ROWS = 196
SHAPES = {  # width, layers, heads, kv heads, MLP, vocabulary, sequences, rows of one, tied
    "8m": (256, 8, 4, 4, 768, 4096, 16, 128, False),
    "135m": (576, 30, 9, 3, 1536, 49152, 4, 256, True),
    "llava": (512, 8, 8, 8, 1536, 4096, 4, 256, False),
}


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


class Block(nn.Module):
    def __init__(self, D, H, K, M):
        super().__init__()
        self.d, self.repeat = D // H, H // K
        self.n1, self.n2 = nn.RMSNorm(D, 1e-6), nn.RMSNorm(D, 1e-6)
        self.q, self.o = nn.Linear(D, D, bias=False), nn.Linear(D, D, bias=False)
        self.k, self.v = nn.Linear(D, K * self.d, bias=False), nn.Linear(D, K * self.d, bias=False)
        self.gate, self.up, self.down = nn.Linear(D, M, bias=False), nn.Linear(D, M, bias=False), nn.Linear(M, D, bias=False)

    def forward(self, x, cos, sin):
        h, (B, T, D) = self.n1(x), x.shape
        q, k, v = (f(h).view(B, T, -1, self.d).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = (rotate(x, cos, sin).to(v.dtype) for x in (q, k))
        if self.repeat > 1:
            k, v = k.repeat_interleave(self.repeat, 1), v.repeat_interleave(self.repeat, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(B, T, D))
        h = self.n2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class TowerBlock(nn.Module):
    def __init__(self, D, H, M):
        super().__init__()
        self.H, self.n1, self.n2 = H, nn.LayerNorm(D, 1e-6), nn.LayerNorm(D, 1e-6)
        self.q, self.k, self.v, self.o = (nn.Linear(D, D) for _ in range(4))
        self.up, self.down = nn.Linear(D, M), nn.Linear(M, D)

    def forward(self, x):
        h, (B, T, D) = self.n1(x), x.shape
        q, k, v = (f(h).view(B, T, self.H, D // self.H).transpose(1, 2) for f in (self.q, self.k, self.v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class Tower(nn.Module):
    def __init__(self, out, D=384, H=6, M=1536, L=12):
        super().__init__()
        self.patch, self.place = nn.Conv2d(3, D, 16, 16), nn.Parameter(torch.randn(PICTURE_ROWS, D) * 0.02)
        self.blocks, self.norm = nn.ModuleList(TowerBlock(D, H, M) for _ in range(L)), nn.LayerNorm(D, 1e-6)
        self.first, self.second = nn.Linear(D, out), nn.Linear(out, out)

    def forward(self, pixels):
        x = self.patch(pixels).flatten(2).transpose(1, 2) + self.place
        for b in self.blocks:
            x = b(x)
        return self.second(F.gelu(self.first(self.norm(x))))


class Model(nn.Module):
    def __init__(self, D, L, H, K, M, V, T, tied, sees):
        super().__init__()
        self.embed, self.blocks = nn.Embedding(V, D), nn.ModuleList(Block(D, H, K, M) for _ in range(L))
        self.norm, self.head = nn.RMSNorm(D, 1e-6), nn.Linear(D, V, bias=False)
        nn.init.normal_(self.embed.weight, std=0.02)
        if tied:
            self.head.weight = self.embed.weight
        self.tower = Tower(D) if sees else None
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, D // H, 2) / (D // H))
        self.cos, self.sin = (torch.cat((f(angle), f(angle)), -1) for f in (torch.cos, torch.sin))

    def forward(self, ids, pixels):
        x = self.embed(ids)
        if self.tower:
            x = torch.cat((self.tower(pixels).to(x.dtype), x), 1)
        for b in self.blocks:
            x = b(x, self.cos, self.sin)
        x = x[:, -ids.shape[1]:]  # only rows of text have labels
        return self.head(self.norm(x))


def peak_mb():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1024


def main():
    name, precision = sys.argv[1], sys.argv[2]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    D, L, H, K, M, V, B, T, tied = SHAPES[name]
    started = peak_mb()  # the interpreter and its libraries
    torch.manual_seed(1)
    torch.set_num_threads(2)
    sees = name == "llava"
    model = Model(D, L, H, K, M, V, T, tied, sees)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    text = T - PICTURE_ROWS if sees else T
    ids, labels = torch.randint(V, (B, text)), torch.randint(V, (B * text,))
    pixels = torch.rand(B, 3, 224, 224) * 2 - 1 if sees else None
    best, start, steps = 1e9, time.time(), 0
    while time.time() - start < seconds or steps < 3:
        at = time.time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(model(ids, pixels).view(-1, V), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        opt.step()
        opt.zero_grad(set_to_none=True)
        best, steps = min(best, time.time() - at), steps + 1
    print(json.dumps({"program": "torch " + torch.__version__, "shape": name, "precision": precision, "threads": torch.get_num_threads(),
                      "tokens_per_s": round(B * T / best), "ms_per_step": round(best * 1e3, 1), "peak_mb": peak_mb(), "start_mb": started, "loss": round(loss.item(), 4)}))


main()
