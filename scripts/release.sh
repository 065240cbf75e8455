#!/usr/bin/env bash
# Gathers a release in a folder: scripts/release.sh VERSION REGISTRY SECONDS
# FOLDER PLATFORM... Wants the programs in bin/PLATFORM and the images in
# bin/image; make release has them made before.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1 registry=$2 seconds=$3 folder=$4
shift 4

rm -rf "$folder"
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The pages say what the program says, which is the same on every platform.
go run ./docs/generate/man bin/shunt "$work/man"

for platform; do
	name=shunt-$version-$platform
	mkdir "$work/$name"
	cp -r "bin/$platform"/* LICENSE README.md CHANGELOG.md SECURITY.md docs "$work/man" "$work/$name"
	rm -rf "$work/$name/docs/generate" "$work/$name/docs/playground"
	scripts/pack.sh "$seconds" "$work" "$folder/$name.tar.gz" "$name"
	cp "bin/image/$platform.spdx.json" "$folder/$name.spdx.json"
	cp "bin/image/shunt-$platform.tar" "$folder/shunt-image-$version-$platform.tar"
	cp "bin/image/shunt-init-$platform.tar" "$folder/shunt-init-image-$version-$platform.tar"
done
scripts/pack.sh "$seconds" bin/image "$folder/shunt-image-$version-oci.tar.gz" shunt shunt-init
scripts/chart.sh "$version" "$registry" "$seconds" "$folder"

(cd "$folder" && sha256sum -- * >SHA256SUMS)
(cd "$folder" && du -ch --apparent-size -- *)
