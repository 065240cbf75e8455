package install

import "log/slog"

// Log writes a line for each thing that was changed on the node.
func Log(log *slog.Logger, s Status) {
	for _, c := range s.Changes {
		attrs := []any{"path", c.Path, "reason", string(c.Reason)}
		if s.Mode != "" {
			attrs = append(attrs, "mode", string(s.Mode), "network", s.Network)
		}
		log.Info(string(c.Action), attrs...)
	}
}
