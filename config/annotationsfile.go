package config

import (
	"strconv"
	"strings"
)

// ParseAnnotationsFile reads a pod's annotations from a file of a downward
// API volume: one key="value" a line, the value quoted and escaped as Go
// quotes (Kubernetes, pkg/fieldpath, FormatMap). A line of another form and a
// key that comes twice are InputErrors that name the line.
func ParseAnnotationsFile(data []byte) (map[string]string, error) {
	annotations := map[string]string{}
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		if line == "" {
			continue
		}
		key, quoted, _ := strings.Cut(line, "=")
		value, err := strconv.Unquote(quoted)
		if err != nil || key == "" || quoted[0] != '"' {
			return nil, inputf("line %d of the annotations is %s: want key=\"value\", as a downward API volume writes it",
				number, quote(line))
		}
		if _, twice := annotations[key]; twice {
			return nil, inputf("line %d of the annotations repeats %s: want each key once", number, quote(key))
		}
		annotations[key] = value
	}
	return annotations, nil
}
