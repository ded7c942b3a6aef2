#!/bin/sh
# Environments of other toolkits, for compare_engines.py and compare_training.py: one folder each in DIR.
#
#     scripts/make_environments.sh DIR [NAME …]
#
# What is there already is kept. constraints.txt keeps torch at our version. bergamot's wheels end with Python 3.10: set
# PYTHON310 if that is not on the path as python3.10. fairseq is compiled: it needs a C++ compiler.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:?usage: make_environments.sh DIR [NAME …]}
shift
[ $# -gt 0 ] || set -- ctranslate2 bergamot opennmt joeynmt fairseq
mkdir -p "$dir"

make() {
    name=$1 python=$2
    shift 2
    [ -x "$dir/$name/bin/python" ] || "$python" -m venv "$dir/$name"
    "$dir/$name/bin/pip" install --quiet "$@"
}

more() {
    name=$1
    shift
    "$dir/$name/bin/pip" install --quiet --no-deps "$@"
}

for name; do
    case $name in
    ctranslate2) make ctranslate2 python3 'ctranslate2>=4,<5' numpy ;;
    bergamot) make bergamot "${PYTHON310:-python3.10}" bergamot==0.4.5 numpy sentencepiece ;;
    opennmt)
        make opennmt python3 -c "$here/constraints.txt" torch numpy sentencepiece sacrebleu configargparse \
            tensorboard flask waitress pyyaml rapidfuzz pyahocorasick six 'ctranslate2>=4,<5' 'pyonmttok>=1.37,<2'
        more opennmt OpenNMT-py==3.5.1
        ;;
    joeynmt)
        make joeynmt python3 -c "$here/constraints.txt" torch numpy sentencepiece sacrebleu datasets tensorboard \
            sacremoses subword-nmt matplotlib seaborn pyyaml six wrapt packaging pandas pillow setuptools future \
            importlib_metadata
        more joeynmt joeynmt==2.3.0
        ;;
    fairseq)
        make fairseq python3 -c "$here/constraints.txt" torch numpy sacrebleu cython cffi regex bitarray tqdm \
            packaging antlr4-python3-runtime==4.8 PyYAML setuptools wheel
        more fairseq hydra-core==1.0.7 omegaconf==2.0.6
        more fairseq fairseq==0.12.2
        ;;
    *) echo "make_environments: no toolkit $name; there are ctranslate2, bergamot, opennmt, joeynmt, fairseq" >&2; exit 2 ;;
    esac
done
