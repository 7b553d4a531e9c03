# What the test scripts share: running one command natively and on our bodies, comparing, counting. Sourced by
# tests/integration/run and tests/programs/run. Needs $B, the build directory.
#
# BODIES picks what to compare with: words of linuxu, kvm (ring 3), ring0. JOBS runs that many at once.

: "${B:=build}" "${BODIES:=linuxu kvm ring0}" "${ACCEL:=tcg}" "${LIMIT:=120}"
DOPPEL=$B/doppel
OUT=$(mktemp -d "${TMPDIR:-/tmp}/doppel-test.XXXXXX")
trap 'rm -rf "$OUT"' EXIT INT TERM
passed=0 failed=0 skipped=0

flags_of() {
	case $1 in
	linuxu) echo "--on linuxu" ;;
	kvm) echo "--on kvm --accel $ACCEL" ;;
	ring0) echo "--on kvm --accel $ACCEL --ring0" ;;
	*) echo "unknown body $1" >&2; exit 2 ;;
	esac
}

ok() { passed=$((passed + 1)); [ -z "${VERBOSE:-}" ] || echo "  ok   $1"; }
bad() { failed=$((failed + 1)); echo "  FAIL $1"; }
skip() { skipped=$((skipped + 1)); echo "  skip $1: $2"; }

# capture PREFIX COMMAND…: stdout, stderr and exit status into files.
capture() {
	_p=$1; shift
	timeout -k 5 "$LIMIT" "$@" >"$_p.out" 2>"$_p.err" <"${STDIN:-/dev/null}"
	echo $? >"$_p.status"
}

# differ NAME A B: true (and a report) when output or status differ; stderr too when COMPARE_STDERR is set.
differ() {
	_d=0
	cmp -s "$2.out" "$3.out" || _d=1
	cmp -s "$2.status" "$3.status" || _d=1
	[ -z "${COMPARE_STDERR:-}" ] || cmp -s "$2.err" "$3.err" || _d=1
	[ $_d = 1 ] || return 1
	bad "$1 (exit $(cat "$2.status") native, $(cat "$3.status") here)"
	diff "$2.out" "$3.out" | head -n "${DIFF_LINES:-12}" | sed 's/^/       /'
	head -n 5 "$3.err" | sed 's/^/       stderr: /'
	return 0
}

# compare NAME [OPTION…] -- COMMAND…: natively and on every body; the same stdout and exit status, or it fails.
# OPTION… go to doppel run. With STDIN=file it is the standard input.
compare() {
	_name=$1; shift
	_opts=
	while [ "$1" != -- ]; do _opts="$_opts $1"; shift; done
	shift
	_base=$OUT/$(echo "$_name" | tr -c 'A-Za-z0-9._\n' _)
	capture "$_base.native" "$@"
	for _body in $BODIES; do
		# shellcheck disable=SC2046,SC2086
		capture "$_base.$_body" "$DOPPEL" run $(flags_of "$_body") --quiet $_opts -- "$@"
		differ "$_name on $_body" "$_base.native" "$_base.$_body" || ok "$_name on $_body"
	done
}

finish() {
	echo "$1: $passed passed, $failed failed, $skipped skipped"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
