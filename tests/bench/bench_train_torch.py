"""The model of bench_train.c in PyTorch on the CPU: one JSON line. usage: bench_train_torch.py [SECONDS]"""
import json, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

D, L, H, M, V, B, T = 256, 8, 4, 768, 4096, 16, 128


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = nn.RMSNorm(D, 1e-6), nn.RMSNorm(D, 1e-6)
        self.q, self.k, self.v, self.o = (nn.Linear(D, D, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(D, M, bias=False), nn.Linear(D, M, bias=False), nn.Linear(M, D, bias=False)

    def forward(self, x, cos, sin):
        h = self.n1(x)
        q, k, v = (f(h).view(B, T, H, D // H).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(B, T, D))
        h = self.n2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.blocks = nn.Embedding(V, D), nn.ModuleList(Block() for _ in range(L))
        self.norm, self.head = nn.RMSNorm(D, 1e-6), nn.Linear(D, V, bias=False)
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, D // H, 2) / (D // H))
        self.cos, self.sin = (torch.cat((f(angle), f(angle)), -1) for f in (torch.cos, torch.sin))

    def forward(self, ids):
        x = self.embed(ids)
        for b in self.blocks:
            x = b(x, self.cos, self.sin)
        return self.head(self.norm(x))


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    torch.manual_seed(1)
    torch.set_num_threads(2)
    model = Model()
    opt = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids, labels = torch.randint(V, (B, T)), torch.randint(V, (B * T,))
    best, start, steps = 1e9, time.time(), 0
    while time.time() - start < seconds or steps < 3:
        at = time.time()
        loss = F.cross_entropy(model(ids).view(-1, V), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        best, steps = min(best, time.time() - at), steps + 1
    print(json.dumps({"program": "torch " + torch.__version__, "threads": torch.get_num_threads(), "tokens_per_s": round(B * T / best), "ms_per_step": round(best * 1e3, 1)}))


main()
