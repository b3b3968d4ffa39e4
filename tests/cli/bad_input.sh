#!/bin/sh
# Bad input gives one line on stderr and a non-zero exit, and leaves nothing behind.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mini=$LMM_SOURCE/models/mini-v0
tiny=$LMM_TESTS/golden/data/golden/checkpoints

# refuses NAME WANTED-TEXT COMMAND...: exit code 1..127, exactly one line on stderr that holds the text, no sanitizer report.
refuses() {
    name=$1 want=$2
    shift 2
    "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    code=$?
    lines=$(wc -l <"$tmp/err")
    if [ "$code" -eq 0 ] || [ "$code" -ge 128 ]; then echo "not ok $name: exit code $code"
    elif [ "$lines" -ne 1 ]; then echo "not ok $name: $lines lines on stderr: $(head -c 200 "$tmp/err")"
    elif ! grep -qF -- "$want" "$tmp/err"; then echo "not ok $name: says $(cat "$tmp/err")"
    else echo "ok $name"; fi
}

# A copy of a tiny checkpoint with one file changed.
copy() {
    rm -rf "$tmp/model"
    mkdir "$tmp/model"
    cp "$tiny/$1"/* "$tmp/model"
    chmod -R u+w "$tmp/model"
}

refuses unknown_command "did you mean 'chat'?" "$LMM" chta
refuses unknown_option "--max-tokens" "$LMM" chat --max-tokns 3 hello
refuses option_out_of_range "--temperature" "$LMM" chat --temperature -1 hello
refuses missing_model "no model at" "$LMM" chat -m "$tmp/nowhere" hello
refuses missing_model_near "no model at 'minni' (did you mean 'mini'?)" "$LMM" chat -m minni hello
refuses missing_model_of_hub "'lmm pull org/nowhere' fetches it" env HF_HOME="$tmp/hub" "$LMM" chat -m org/nowhere hello
mkdir "$tmp/several" && : >"$tmp/several/a.gguf" && : >"$tmp/several/b.gguf"
refuses several_gguf_files "name one file (a.gguf, b.gguf)" "$LMM" chat -m "$tmp/several" hello
refuses missing_image "nowhere.png" "$LMM" chat -m "$tiny/llava" --image "$tmp/nowhere.png" hello
echo 'this is no picture' >"$tmp/text.png"
refuses no_picture "text.png" "$LMM" chat -m "$tiny/llava" --image "$tmp/text.png" hello

uri() { printf '[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "%s"}}]}]' "$1" >"$tmp/uri.json"; }
refuses_uri() { # NAME WANTED-TEXT URI
    uri "$3"
    refuses "$1" "$2" "$LMM" trace -m "$tiny/llava" --messages "$tmp/uri.json" -o "$tmp/uri.safetensors"
}
refuses_uri uri_remote "message 1: 'https://example.com/a.png' is remote" https://example.com/a.png
refuses_uri uri_no_comma "no comma" data:image/png
refuses_uri uri_of_text "'data:text/plain;base64' is no picture" "data:text/plain;base64,SGk="
refuses_uri uri_not_base64 "is not in base64" data:image/png,abc
refuses_uri uri_bad_letter "letter 3 is none of base64" "data:image/png;base64,iV*ORw0KGgo="
refuses_uri uri_cut "ends after 5 letters, inside a byte" "data:image/png;base64,iVBOR"
refuses_uri uri_no_picture "is no picture: its first bytes" "data:image/png;base64,SGk="
refuses uri_cut_picture "is cut short" sh -c "
    { printf '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"image\": \"data:image/png;base64,'
      head -c 60 '$LMM_TESTS/golden/data/golden/images/rgb.png' | base64 -w 0; printf '\"}]}]'; } >'$tmp/uri.json'
    exec '$LMM' trace -m '$tiny/llava' --messages '$tmp/uri.json' -o '$tmp/uri.safetensors'"
refuses unknown_reference "none of published, hf, original" "$LMM" chat --reference theirs hello

copy llama
head -c 1000 "$tiny/llama/model.safetensors" >"$tmp/model/model.safetensors"
refuses truncated_weights "model.safetensors" "$LMM" chat -m "$tmp/model" hello
printf '\377\377\377\377\377\377\377\177{}' >"$tmp/model/model.safetensors"
refuses lying_header "model.safetensors" "$LMM" chat -m "$tmp/model" hello

copy llama
sed -i 's/"intermediate_size": 112/"intermediate_size": 128/' "$tmp/model/config.json"
refuses shape_mismatch "file has (112,64), model needs (128,64)" "$LMM" chat -m "$tmp/model" hello

copy llama
sed -i 's/LlamaForCausalLM/NobodyForCausalLM/' "$tmp/model/config.json"
refuses unknown_architecture "known: LlamaForCausalLM" "$LMM" chat -m "$tmp/model" hello

copy llama
sed -i 's/"hidden_size": 64/"hidden_size": "many"/' "$tmp/model/config.json"
refuses wrong_type "hidden_size" "$LMM" chat -m "$tmp/model" hello

copy llama
echo '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}' >"$tmp/model/tokenizer.json"
refuses broken_tokenizer "tokenizer.json" "$LMM" chat -m "$tmp/model" hello

copy llama
echo '{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}' >"$tmp/model/chat_template.jinja"
refuses endless_template "steps" "$LMM" chat -m "$tmp/model" hello

echo '[{"role": "user", "content": "hello"}]' >"$tmp/conv.json"
echo '{% for x in range(99999) %}{% for y in range(99999) %}{{ x }}{% endfor %}{% endfor %}' >"$tmp/endless.jinja"
refuses endless_template_of_prompt "the template takes more than" "$LMM" prompt -m "$mini" --messages "$tmp/conv.json" --template "$tmp/endless.jinja"
same_size=$(wc -c <"$tmp/out")
[ "$same_size" -eq 0 ] && echo "ok endless_template_prints_nothing" || echo "not ok endless_template_prints_nothing: $same_size bytes"

# A PNG whose header says 30,000 x 30,000: signature, IHDR with its CRC, nothing else.
printf '\211PNG\r\n\032\n\000\000\000\015IHDR\000\000\165\060\000\000\165\060\010\002\000\000\000' >"$tmp/huge.png"
printf '\000\000\000\000' >>"$tmp/huge.png"
refuses huge_picture "huge.png" "$LMM" chat -m "$tiny/llava" --image "$tmp/huge.png" hello

long=$(awk 'BEGIN { for (i = 0; i < 600; i++) printf "word " }')
refuses long_prompt "context" "$LMM" chat -m "$tiny/llama" -c 64 "$long"

printf 'run: x\nmodel: {open: y}\noptimiser: {lr: 1}\ndata: [{path: z}]\n' >"$tmp/recipe.yaml"
refuses unknown_yaml_key "did you mean 'optimizer'" "$LMM" train sft -c "$tmp/recipe.yaml"
printf 'run: x\nmodel: {open: y, parts: [vision]}\ndata: [{path: z}]\n' >"$tmp/recipe.yaml"
refuses parts_of_nothing "goes with 'from'" "$LMM" train sft -c "$tmp/recipe.yaml"
printf 'run: x\nmodel: {new: y, from: w, parts: [tower]}\ndata: [{path: z}]\n' >"$tmp/recipe.yaml"
refuses unknown_part "vision, projector, decoder and newline only" "$LMM" train sft -c "$tmp/recipe.yaml"
refuses missing_recipe "nowhere.yaml" "$LMM" train sft -c "$tmp/nowhere.yaml"
refuses unknown_task "no task" "$LMM" eval -m "$tiny/llava" --tasks easyvqaa
refuses bad_json_line "line 1" sh -c "echo '{\"text\": ' | '$LMM' tokenize -m '$tiny/llama'"
refuses trace_without_output "-o" "$LMM" trace -m "$tiny/llama" --raw Hi
refuses trace_disk_full "cannot" sh -c "ulimit -f 1; trap '' XFSZ; exec '$LMM' trace -m '$tiny/llama' --raw Hi -o '$tmp/trace.safetensors'"
[ -e "$tmp/trace.safetensors" ] && echo "not ok trace_disk_full_leaves_nothing: a file is there" || echo "ok trace_disk_full_leaves_nothing"
ls "$tmp" | grep -q tmp- && echo "not ok no_temporary_files: $(ls "$tmp")" || echo "ok no_temporary_files"
