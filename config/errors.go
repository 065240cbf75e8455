package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// InputError is an error in what the operator gave: a flag, a file, an
// environment variable, an annotation, or a combination of them that makes no
// sense. Nothing was touched when it is returned; the command exits with 2.
type InputError struct {
	Err error
}

// Error returns the wrapped error's text: one line that says what is invalid,
// where it came from, and what is valid.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *InputError) Unwrap() error { return e.Err }

// IsInput reports whether err, or an error that it wraps, is an InputError.
func IsInput(err error) bool {
	var input *InputError
	return errors.As(err, &input)
}

func inputf(format string, args ...any) error {
	return &InputError{fmt.Errorf(format, args...)}
}

// Quote shows an operator's text in a message: quoted, on one line, and no
// longer than a terminal's line however long the text is.
func Quote(text string) string {
	const most = 60
	if len(text) <= most {
		return strconv.Quote(text)
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return strconv.Quote(text[:end] + "...")
}

// oneOf joins choices for an error: "auto, nftables or iptables".
func oneOf(choices []string) string {
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
