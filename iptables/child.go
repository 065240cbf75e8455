package iptables

import (
	"bytes"
	"errors"
)

// What is kept of a child's output. A table of 100,000 rules fits the first.
const (
	stdoutLimit = 32 << 20
	stderrLimit = 16 << 10
)

// errTooMuch ends a child that writes more to its standard output than is read.
var errTooMuch = errors.New("its output is too large")

// bounded keeps the first bytes that a child writes. Strict: a child that
// writes more is ended by a closed pipe; otherwise the rest is dropped.
type bounded struct {
	buf    bytes.Buffer
	limit  int
	strict bool
	over   bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	room := b.limit - b.buf.Len()
	if b.over = b.over || len(p) > room; b.over && b.strict {
		return 0, errTooMuch
	}
	b.buf.Write(p[:min(len(p), room)])
	return len(p), nil
}
