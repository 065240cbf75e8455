package iptables

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"shunt/apply"
)

// failure is what is known about a command that failed.
type failure struct {
	command   string // with its arguments
	path      string
	cause     error
	complaint string
	input     string
}

// quoteLimit is how much of a command's complaint an error repeats.
const quoteLimit = 400

func (f failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", f.command, f.cause)
	var said []string
	for line := range strings.Lines(f.complaint) {
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
	_, after, found := strings.Cut(f.complaint, "line")
	for found {
		digits := strings.TrimLeft(after, ": ")
		end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(digits)
		}
		if n, err := strconv.Atoi(digits[:end]); err == nil {
			if lines := strings.Split(f.input, "\n"); n >= 1 && n <= len(lines) {
				return lines[n-1]
			}
		}
		_, after, found = strings.Cut(after, "line")
	}
	return ""
}

// meaning is a failure that is also a sentinel. Its text ends with what the
// failure means, mostly the sentinel's.
type meaning struct {
	failure
	as   error // nil: none
	text string
}

func (m meaning) Error() string { return m.failure.Error() + ": " + m.text }

func (m meaning) Unwrap() []error { return []error{m.failure, m.as} }

// explain turns a failure into an error that says what it means.
func explain(f failure) error {
	said := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(f.complaint, t) {
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
	owner := strings.Contains(line, "-m owner ") && said("Invalid argument") // owner_check in the kernel's net/netfilter/xt_owner.c
	switch {
	case said("holding the xtables lock"):
		return meaning{f, ErrXtablesLocked, ErrXtablesLocked.Error() + " the whole time"}
	case said("can't open lock file"):
		return meaning{f, ErrLockFile, ErrLockFile.Error()}
	case said("Permission denied", "Operation not permitted", "must be root"):
		return meaning{f, fs.ErrPermission, "this needs the capabilities NET_ADMIN and, for the legacy variant, NET_RAW"}
	case said("unable to initialize table"):
		return meaning{f, errNoReason, errNoReason.Error()}
	case said("Table does not exist", "do you need to insmod", // legacy: no nat in the kernel
		"Protocol not supported", "generation id: Invalid argument", // no nf_tables in the kernel
		"Address family not supported"): // no IPv6 in the kernel
		return meaning{f, apply.ErrNotSupported, "the kernel has no NAT for this variant or family; its module is not loaded or was not built"}
	case adding && said("Couldn't load match", "Couldn't load target",
		"No chain/target/match by that name", "No such file or directory"):
		return meaning{f, apply.ErrNotSupported, "an extension that the rule needs is not installed or not in the kernel"}
	case said("Message too long"):
		return meaning{f, ErrSocketBuffer, ErrSocketBuffer.Error()}
	case refused:
		return meaning{f, apply.ErrStale, "somebody else changed the table meanwhile"}
	case (owner || line == "COMMIT" && strings.Contains(f.input, "-m owner ")) && foreignUserNamespace():
		return meaning{f, ErrUserNamespace, ErrUserNamespace.Error()}
	case owner:
		return meaning{f, nil, "the id may not be mapped in the user namespace that owns the network namespace"}
	case line == "COMMIT":
		return meaning{f, nil, "the kernel refused the rules; a module may be missing (xt_REDIRECT, xt_multiport, xt_owner, xt_comment), or a uid or gid is not mapped in the user namespace; see dmesg"}
	case said("nrecognized option", "nknown option", "invalid option"):
		return meaning{f, apply.ErrNotSupported, "this needs iptables 1.6.2 or later: see " + f.path + " --version"}
	}
	return f
}
