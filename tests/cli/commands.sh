#!/bin/sh
# The commands on tiny checkpoints: what they print is stable and parses.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tiny=$LMM_TESTS/golden/data/golden/checkpoints
pictures=$LMM_TESTS/golden/data/golden/images

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
same() { # NAME WANT HAVE
    if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: want '$2', have '$3'"; fi
}

# ids of tests/golden/data/golden/checkpoints/*/golden.json, case2
same tokenize_plain '{"ids": [39, 72]}' "$(echo '{"text": "Hi"}' | "$LMM" tokenize -m "$tiny/qwen2")"
same tokenize_special '{"ids": [1, 544, 1367]}' "$(echo '{"text": "Hi", "special": true}' | "$LMM" tokenize -m "$tiny/llama")"
same tokenize_shows_tokens '39 "H" 72 "i" ' "$("$LMM" tokenize -m "$tiny/qwen2" Hi | awk '{ printf "%s %s ", $1, $2 }')"
echo Hi | "$LMM" tokenize -m "$tiny/qwen2" 2>"$tmp/err"; grep -q 'line 1: a line is JSON, such as' "$tmp/err" && echo "ok tokenize_teaches" || echo "not ok tokenize_teaches: $(cat "$tmp/err")"
round=$(printf '{"text": "a red circle"}\n' | "$LMM" tokenize -m "$tiny/qwen2" | "$LMM" tokenize -m "$tiny/qwen2")
same tokenize_round_trip '{"text": "a red circle"}' "$round"

mkdir "$tmp/words" && cp "$tiny/llama/tokenizer.json" "$tmp/words"
same tokenize_without_weights '{"ids": [1, 544, 1367]}' "$(echo '{"text": "Hi", "special": true}' | "$LMM" tokenize -m "$tmp/words")"
same tokenize_file '{"ids": [1, 544, 1367]}' "$(echo '{"text": "Hi", "special": true}' | "$LMM" tokenize -m "$tmp/words/tokenizer.json")"

first=$("$LMM" chat -m "$tiny/llava" --image "$pictures/rgb.png" -n 8 --json "What is shown?")
again=$("$LMM" chat -m "$tiny/llava" --image "$pictures/rgb.png" -n 8 --json -t 1 "What is shown?")
same chat_repeats "$first" "$again"
check chat_json sh -c "printf '%s' '$(printf '%s' "$first" | tr -d "'")' | grep -q '\"finish_reason\"'"

check trace_writes "$LMM" trace -m "$tiny/llava" --raw 'USER: <image>
What? ASSISTANT:' --image "$pictures/rgb.png" --generate 3 -o "$tmp/t.safetensors"
check trace_names grep -q 'vis.layer0' "$tmp/t.safetensors"
message() { printf '[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "%s"}}, {"type": "text", "text": "What?"}]}]' "$1"; }
message "$pictures/rgb.png" >"$tmp/file.json"
message "data:image/png;base64,$(base64 -w 0 <"$pictures/rgb.png")" >"$tmp/uri.json"
for k in file uri; do "$LMM" trace -m "$tiny/llava" --messages "$tmp/$k.json" -o "$tmp/$k.safetensors"; done
check data_uri_is_the_file cmp -s "$tmp/file.safetensors" "$tmp/uri.safetensors"
for r in published hf original; do "$LMM" trace -m "$tiny/llava" --messages "$tmp/file.json" --reference $r -o "$tmp/$r.safetensors"; done
check reference_published_is_hf cmp -s "$tmp/published.safetensors" "$tmp/hf.safetensors"
check reference_original_differs sh -c "test -s '$tmp/original.safetensors' && ! cmp -s '$tmp/original.safetensors' '$tmp/hf.safetensors'"
check trace_grad "$LMM" trace -m "$tiny/llama" --grad "$tiny/llama/golden.safetensors" -o "$tmp/g.safetensors"
check trace_grad_names grep -q 'grad.lm_head.weight' "$tmp/g.safetensors"
"$LMM" info "$tiny/llava" >"$tmp/info" && grep -q 'tokens a picture 16 at most' "$tmp/info" && echo "ok info" || echo "not ok info: $(cat "$tmp/info")"
"$LMM" info --json "$tiny/llama" | grep -q '"architecture": "llm"' && echo "ok info_json" || echo "not ok info_json"
for c in chat train eval trace tokenize info data; do
    "$LMM" $c --help >"$tmp/help" 2>&1 && grep -q usage "$tmp/help" && echo "ok help_$c" || echo "not ok help_$c"
done
printf '/image %s\nwhat is it?\n/quit\n' "$pictures/rgb.png" | "$LMM" chat -m "$tiny/llava" -n 4 >"$tmp/loop" 2>&1 && echo "ok prompt_loop" || echo "not ok prompt_loop: $(cat "$tmp/loop")"

printf '[{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "what?"}]}]' >"$tmp/conv.json"
same prompt_template "USER: <image>
what? ASSISTANT:" "$("$LMM" prompt -m "$LMM_SOURCE/models/mini-v0" --messages "$tmp/conv.json")"
printf '{"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f"}]}' >"$tmp/conv.json"
printf "{%% for t in tools %%}{{ t['name'] }}{%% endfor %%}:{{ messages[0].content }}" >"$tmp/other.jinja"
same prompt_other_template "f:hi" "$("$LMM" prompt -m "$LMM_SOURCE/models/mini-v0" --messages "$tmp/conv.json" --template "$tmp/other.jinja")"
"$LMM" plot "$LMM_SOURCE/models/mini-v0/training/2-questions.metrics.jsonl" -o "$tmp/plot.svg" >/dev/null && grep -q "<polyline" "$tmp/plot.svg" && echo "ok plot" || echo "not ok plot"
"$LMM" plot "$LMM_SOURCE/models/mini-v0/training/2-questions.metrics.jsonl" -k los 2>"$tmp/err" || grep -q "did you mean 'loss'" "$tmp/err" && echo "ok plot_teaches" || echo "not ok plot_teaches: $(cat "$tmp/err")"
