package iptables

import "strings"

// cutLine cuts the first line off text. A line end within double quotes is
// part of its line: iptables-save prints comments as they are, and a comment
// may hold one. Lines that begin with '#' have no quotes.
func cutLine(text string) (line, rest string) {
	if strings.HasPrefix(text, "#") {
		line, rest, _ = strings.Cut(text, "\n")
		return line, rest
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			if !quoted {
				return text[:i], text[i+1:]
			}
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		}
	}
	return text, ""
}

// tokens cuts a rule into tokens as iptables-restore does (add_param_to_argv
// in iptables/xshared.c): blanks separate, a closing quote ends a token, and
// a backslash counts within quotes only.
type tokens struct {
	rest string
}

// next returns the next token: what it stands for, and how it was spelled. A
// token that was quoted is never an option.
func (t *tokens) next() (value, raw string, ok bool) {
	s, start := t.rest, 0
	for start < len(s) && blank(s[start]) {
		start++
	}
	s = s[start:]
	if s == "" {
		t.rest = ""
		return "", "", false
	}
	end := 0
	for end < len(s) && !blank(s[end]) && s[end] != '"' {
		end++
	}
	if end == len(s) || s[end] != '"' {
		t.rest = s[end:]
		return s[:end], s[:end], true
	}
	value, n := unquote(s[end+1:])
	n += end + 1
	t.rest = s[n:]
	if end > 0 {
		value = s[:end] + value
	}
	return value, s[:n], true
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

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
