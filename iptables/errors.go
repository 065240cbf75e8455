package iptables

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	goiptables "github.com/coreos/go-iptables/iptables"

	"shunt/plan"
)

// What an error of this package can be, besides plan's and fs.ErrPermission.
var (
	errMissing  = errors.New("a command is not installed")
	errNoReason = errors.New("the table cannot be had") // legacy restores do not say why
)

// IsMissingBinary reports whether err says that a command is not installed.
func IsMissingBinary(err error) bool { return errors.Is(err, errMissing) }

// unreadable is the error of a legacy table that is there and cannot be read.
// It is never plan.ErrNotSupported, which would mean that nothing can be there.
type unreadable struct{ cause error }

func (u unreadable) Error() string {
	return "the namespace has a nat table of legacy iptables, whose rules act beside any others, but it cannot be read: " + u.cause.Error()
}

func (u unreadable) Is(target error) bool {
	return target != plan.ErrNotSupported && errors.Is(u.cause, target)
}

// marked is an error that also is a sentinel, with a hint at what to do. The
// sentinel is for errors.Is and not part of the text.
type marked struct {
	error
	as   error
	hint string
}

func (m marked) Error() string {
	if m.hint == "" {
		return m.error.Error()
	}
	return m.error.Error() + ": " + m.hint
}

func (m marked) Unwrap() []error { return []error{m.error, m.as} }

// failure is what is known of a command that failed.
type failure struct {
	command string // with its arguments
	path    string
	cause   error
	stderr  string
	input   []byte
}

// quoteLimit is how much of a command's complaint an error repeats.
const quoteLimit = 400

func (f failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", f.command, f.cause)
	var said []string
	for line := range strings.Lines(f.stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "Try `") { // usage advice
			said = append(said, line)
		}
	}
	if text := strings.Join(said, "; "); text != "" {
		b.WriteString(": " + text[:min(len(text), quoteLimit)])
	}
	if line := f.line(); line != "" {
		fmt.Fprintf(&b, "; that line is %q", line[:min(len(line), quoteLimit)])
	}
	return b.String()
}

func (f failure) Unwrap() error { return f.cause }

// line returns the line of the input that the command complained about: it
// says "line 3 failed", "line 3: RULE_APPEND failed" or "Error occurred at
// line: 3".
func (f failure) line() string {
	_, after, found := strings.Cut(f.stderr, "line")
	for found {
		digits := strings.TrimLeft(after, ": ")
		end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(digits)
		}
		if n, err := strconv.Atoi(digits[:end]); err == nil {
			if lines := strings.Split(string(f.input), "\n"); n >= 1 && n <= len(lines) {
				return lines[n-1]
			}
		}
		_, after, found = strings.Cut(after, "line")
	}
	return ""
}

// explain turns a failure into an error that says what it means and what to do.
func (b *Backend) explain(f failure) error {
	said := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(f.stderr, t) {
				return true
			}
		}
		return false
	}
	line := f.line()
	adding := strings.HasPrefix(line, "-A ")
	// A line that cannot be read is "Error occurred at line: 4", one that
	// cannot be done "line 4 failed" or "line 4: CHAIN_DEL failed".
	refused := !said("Error occurred at line") &&
		(strings.HasPrefix(line, "-D ") || strings.HasPrefix(line, "-X ") || strings.HasPrefix(line, "-I "))
	switch {
	case said("holding the xtables lock"):
		return marked{f, nil, fmt.Sprintf("another process held the xtables lock for all of %d s; find it (fuser %s), or wait longer with --lock-timeout", b.opt.WaitSeconds, defaultLock)}
	case said("can't open lock file"):
		return marked{f, nil, "mount a writable directory at /run, or name a file with " + lockVariable}
	case said("Permission denied", "Operation not permitted", "must be root"):
		return marked{f, fs.ErrPermission, "this needs the capabilities NET_ADMIN and, for the legacy variant, NET_RAW"}
	case said("unable to initialize table"):
		return marked{f, errNoReason, ""}
	case said("Table does not exist", "do you need to insmod", // legacy: no nat in the kernel
		"Protocol not supported", "generation id: Invalid argument", // no nf_tables in the kernel
		"Address family not supported"): // no IPv6 in the kernel
		return marked{f, plan.ErrNotSupported, "the kernel has no NAT for this variant or family; its module is not loaded or was not built"}
	case adding && said("Couldn't load match", "Couldn't load target",
		"No chain/target/match by that name", "No such file or directory"):
		return marked{f, plan.ErrNotSupported, "an extension that the rule needs is not installed or not in the kernel"}
	case said("Message too long"):
		return marked{f, nil, "the rules do not fit the socket buffer that is allowed in a user namespace; raise net.core.wmem_max on the host, or use fewer ports and subnets, or --iptables-mode legacy"}
	case refused:
		return marked{f, plan.ErrStale, "somebody else changed the table meanwhile"}
	case strings.Contains(line, "-m owner ") && said("Invalid argument"): // owner_check in the kernel's net/netfilter/xt_owner.c
		return marked{f, nil, "is that id mapped in the user namespace that the network namespace belongs to?"}
	case line == "COMMIT":
		return marked{f, nil, "the kernel refused the rules; a module may be missing (xt_REDIRECT, xt_multiport, xt_owner, xt_comment), or a uid or gid is not mapped in the user namespace; see dmesg"}
	case said("nrecognized option", "nknown option", "invalid option"):
		return marked{f, plan.ErrNotSupported, "this needs iptables 1.6.2 or later" + version(f.path)}
	}
	return f
}

// version says which version a command has, for an error's sake only: asking
// costs a child process, which no run that works should pay for.
func version(path string) string {
	t, err := goiptables.New(goiptables.Path(path))
	if err != nil {
		return ""
	}
	major, minor, patch := t.GetIptablesVersion()
	return fmt.Sprintf(", and %s is %d.%d.%d", path, major, minor, patch)
}
