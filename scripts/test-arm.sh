#!/usr/bin/env bash
# Runs the unit tests of the arm64 and arm/v7 programs under qemu's user-mode
# emulation. What that cannot emulate is left out, by name, and said at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

export CGO_ENABLED=0 GOARM=7

# The packages that need the kernel itself: benchmarks and conformance, and
# the chart, which is the same everywhere.
mapfile -t packages < <(go list ./... | grep -vE '^shunt/(bench|conformance|e2e|chart)(/|$)')

# These start the program that they test, which the kernel here cannot run, or
# look at namespaces, of which qemu knows no ioctl.
skip='^(TestExamples|TestScript|TestPagesOfTheProgram|TestImage|TestNoNamespaceIsNeverTheCurrentOne|TestOpenRefusesWhatIsNoNetworkNamespace|TestNewLeavesTheProcessWhereItWas|TestMainWithoutRoot|TestFaultInotifyLimit|TestFaultRunWiped|TestFaultKilledAtEveryStep|TestStatusOnlyReads|TestTheInitialNamespaceIsRefusedFromAnywhere|TestTheHostsNamespaceIsRefused|TestAPathThatBecomesAPipeMeanwhileDoesNotBlock|TestPrivilegedBinaryLooksForCommandsInTheSystemsFoldersOnly|TestLegacyTablesThatCannotBeListedAreAnErrorUnlessThatIsForRootOnly|TestNextRunWaitsForAnOrphan)$'

status=0
for arch in arm64:aarch64 arm:arm; do
	qemu=$(command -v "qemu-${arch#*:}-static" || command -v "qemu-${arch#*:}") || {
		echo "test-arm: qemu-${arch#*:} is missing; its Debian package is qemu-user-static, Fedora's too" >&2
		exit 1
	}
	export GOARCH=${arch%:*}
	echo "$GOARCH, under $qemu"
	# It has to compile everywhere, and be right for vet.
	go vet "${packages[@]}" shunt/conformance
	go test -exec "$qemu" -skip "$skip" "${packages[@]}" || status=1
	go build -o "bin/test-$GOARCH" ./cmd/shunt
	if ! diff <("$qemu" "bin/test-$GOARCH" plan -o table) <(GOARCH='' go run ./cmd/shunt plan -o table); then
		echo "test-arm: shunt plan prints something else on $GOARCH" >&2
		status=1
	fi
	rm -f "bin/test-$GOARCH"
done

cat <<END

Not run under emulation, which has no netfilter sockets, no ioctls of namespaces,
and starts no foreign programs: what needs a network namespace (those tests skip
themselves), conformance, bench, and $skip
END
exit "$status"
