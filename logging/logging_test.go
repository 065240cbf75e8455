package logging

import (
	"log/slog"
	"strings"
	"testing"

	"shunt/config"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	f := Flags{Format: JSON, Level: "Warning"}
	log, err := f.Open(&b)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not this")
	log.Warn("this", "n", 1)
	if got := b.String(); !strings.HasPrefix(got, `{"time":"`) || !strings.HasSuffix(got, `Z","level":"WARN","msg":"this","n":1}`+"\n") {
		t.Errorf("logged %q", got)
	}
	for _, f := range []Flags{{Format: Plain, Level: "loud"}, {Format: "xml", Level: "info"}, {}} {
		if _, err := f.Open(&b); !config.IsInput(err) || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]slog.Level{
		"trace": slog.LevelDebug, "INFO": slog.LevelInfo, "warning": slog.LevelWarn, "panic": slog.LevelError,
		FilterLevel("linkerd=debug,warn"): slog.LevelDebug, FilterLevel("error"): slog.LevelError,
	} {
		if got, known := ParseLevel(name); got != want || !known {
			t.Errorf("%s: %v, %v", name, got, known)
		}
	}
	if _, known := ParseLevel(""); known {
		t.Error("an empty level is known")
	}
}
