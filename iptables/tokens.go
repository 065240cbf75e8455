package iptables

import "strings"

// tokens cuts a rule into tokens as iptables-restore does (add_param_to_argv
// in iptables/xshared.c): blanks separate, a closing quote ends a token, and
// a backslash counts within quotes only.
type tokens struct {
	rest string
}

// next returns the next token: what it stands for, and how it was spelled. A
// token that was quoted is never an option.
func (t *tokens) next() (value, raw string, ok bool) {
	s := t.rest
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	end := strings.IndexByte(s, ' ')
	if end < 0 {
		end = len(s)
	}
	quote := strings.IndexByte(s[:end], '"')
	if quote < 0 {
		t.rest = s[end:]
		return s[:end], s[:end], end > 0
	}
	value, n := unquote(s[quote+1:])
	n += quote + 1
	t.rest = s[n:]
	if quote > 0 {
		value = s[:quote] + value
	}
	return value, s[:n], true
}

// unquote reads up to the closing quote and returns what the text stands for
// and how much of s it took, the quote included.
func unquote(s string) (value string, n int) {
	end := 0
	for end < len(s) && s[end] != '"' && s[end] != '\\' {
		end++
	}
	if end == len(s) {
		return s, end
	}
	if s[end] == '"' {
		return s[:end], end + 1
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i + 1
		case '\\':
			if i++; i == len(s) {
				return b.String(), i
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), len(s)
}
