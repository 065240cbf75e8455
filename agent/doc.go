// Package agent is the DaemonSet's program: it keeps the plugin installed and
// tells people about it, by its log, metrics, health and Events. The node works
// without it. What the API server does not allow or cannot answer switches off
// the part that needs it, and never the installation.
package agent
