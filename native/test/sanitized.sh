#!/bin/sh
# The Python tests of the kernels with the module built under AddressSanitizer and UndefinedBehaviorSanitizer.
# The module stands in the place of the usual one meanwhile, which comes back whatever happens: sanitized.sh PYTHON [TEST...]
set -eu
cd "$(dirname "$0")/../.."
# From wherever CMake looks at it; a link of an environment is that of the environment.
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") build=build/native-sanitized
shift
if ! "$python" -m nanobind --cmake_dir >/dev/null 2>&1; then
  echo "nanobind is not installed in $(dirname "$python"): the Python tests were not run under the sanitizers"
  exit 1
fi
# In the folder of the C++ tests, whose kernels it takes as they are: they compile for minutes.
cmake -S native -B "$build" -DPython_EXECUTABLE="$python" -DXTR_SANITIZE=ON -DXTR_MODULE=ON
cmake --build "$build"
modules="index/_kernels encoders/_forward sources/_listing"
mkdir -p "$build/usual"
restore() {
  for module in $modules; do
    kept="$build/usual/${module#*/}"
    if [ -e "$kept.so" ]; then mv "$kept.so" "$(cat "$kept.place")"; fi
  done
}
# One that was killed left the sanitized ones.
restore
trap restore EXIT
trap 'exit 1' INT TERM
for module in $modules; do
  kept="$build/usual/${module#*/}"
  # Where Python takes it from: an editable install knows its file, and passes over one that lies beside the sources.
  "$python" -c 'import sys; from importlib.util import find_spec; found = find_spec(sys.argv[1])
print(found.origin if found else sys.exit(sys.argv[1] + " is not there: install the package again where there is a compiler"))' \
    "xtr_assets.$(echo "$module" | tr / .)" >"$kept.place"
  place=$(cat "$kept.place")
  cp "$place" "$kept.so"
  cp "$build/${module#*/}"*.so "$place.new"
  mv "$place.new" "$place"
done
# The short ones first. Three tests over 70,000 centroids take minutes each so, in loops that smaller ones take, too.
[ $# -gt 0 ] || set -- \
  xtr_assets_tests/encoders/test_native_pass.py xtr_assets_tests/encoders/test_tiles.py \
  xtr_assets_tests/encoders/test_packed_weights.py xtr_assets_tests/sources/test_tree_stamp.py xtr_assets_tests/pipeline/derive/test_exact_maxsim.py \
  xtr_assets_tests/index
sanitized() {
  LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so) $(c++ -print-file-name=libstdc++.so.6)" \
    ASAN_OPTIONS=detect_leaks=0 "$python" "$@"
}
# Where one cannot be loaded its tests are left out, and all is well.
sanitized -c 'import xtr_assets.encoders._forward, xtr_assets.index._kernels, xtr_assets.sources._listing'
# --capture=sys: what a sanitizer says on its way out would be kept by pytest, and end with it.
sanitized -m pytest -q -rs --capture=sys -p no:cacheprovider --durations=12 "$@" \
  -k "not numba and not compiled and not (wide_numbers and (nearest or agree or exact_search)) \
    and not (search_many and numpy)"
