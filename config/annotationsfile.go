package config

import (
	"io"
	"strconv"
	"strings"
)

// maxAnnotations bounds a file of annotations. A pod's are at most 256 KiB
// (k8s.io/apimachinery, TotalAnnotationSizeLimitB), and quoting makes at most
// four bytes of one.
const maxAnnotations = 2 << 20

// ReadAnnotations reads a pod's annotations as a downward API volume has them:
// one key="value" a line, the value quoted and escaped as Go quotes
// (Kubernetes, pkg/fieldpath, FormatMap). It reads at most 2 MiB. A line of
// another form and a key that is set twice are InputErrors that name the line.
func ReadAnnotations(r io.Reader) (map[string]string, error) {
	data, err := readBounded(r, maxAnnotations)
	if err != nil {
		return nil, &InputError{err}
	}
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
			return nil, inputf("line %d is %s: want key=\"value\", as in a downward API volume",
				number, Quote(line))
		}
		if _, twice := annotations[key]; twice {
			return nil, inputf("line %d sets %s a second time: want each key once", number, Quote(key))
		}
		annotations[key] = value
	}
	return annotations, nil
}
