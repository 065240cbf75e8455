#!/usr/bin/env bash
# Packs the chart: scripts/chart.sh VERSION REGISTRY SECONDS FOLDER. A version
# that is none for Helm (semver) becomes a pre-release of 0.0.0. The same input
# gives the same bytes, which helm package does not promise. Prints the path.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1 registry=$2 seconds=$3 folder=$4

number='(0|[1-9][0-9]*)'
semver=${version#v}
[[ $semver =~ ^$number\.$number\.$number(-[0-9A-Za-z.-]+)?$ ]] || semver=0.0.0-v$version

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/shunt"
cp -r chart/Chart.yaml chart/.helmignore chart/values.yaml chart/values.schema.json chart/templates chart/platforms "$work/shunt"
sed -i -e "s/^version: .*/version: $semver/" -e "s/^appVersion: .*/appVersion: $version/" "$work/shunt/Chart.yaml"
sed -i -e "s|^  name: localhost/shunt$|  name: $registry/shunt|" "$work/shunt/values.yaml"

mkdir -p "$folder"
scripts/pack.sh "$seconds" "$work" "$folder/shunt-$semver.tgz" shunt
echo "$folder/shunt-$semver.tgz"
