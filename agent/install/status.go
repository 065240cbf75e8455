package install

// State is how far the installation is.
type State string

// The states.
const (
	Waiting State = "waiting" // the node has no network yet
	Refused State = "refused" // linked, the entry would stop pods
	Linked  State = "linked"  // installed, and verified
)

// Status is what Sync found and left.
type Status struct {
	State   State
	Mode    Mode
	Why     string   // why this mode; or why it waits or refuses
	File    string   // the conflist in use
	Network string   // its name
	Others  []string // further files that could be the runtime's
	Newer   bool     // a newer agent keeps the node: this one only fills gaps
	Changes []Change // what Sync changed
}

// Change is one thing that was changed on the node.
type Change struct {
	Action Action
	Path   string
	Reason Reason
}

// Action is a kind of change.
type Action string

// The actions.
const (
	Copied    Action = "copied"    // the binary
	Chained   Action = "chained"   // the entry was written, in either mode
	Converted Action = "converted" // a single plugin's file became a conflist
	Unchained Action = "unchained" // an entry was taken out, in either mode
	Removed   Action = "removed"   // a file was
	Restored  Action = "restored"  // the file from before a conversion
)

// Reason is why something was changed.
type Reason string

// The reasons.
const (
	First     Reason = "first"     // it was not there before
	Lost      Reason = "lost"      // somebody took it out
	Altered   Reason = "altered"   // somebody changed it
	Moved     Reason = "moved"     // another file, network or mode
	Updated   Reason = "updated"   // the agent brings another one
	Stale     Reason = "stale"     // it belongs to what was there before
	Uninstall Reason = "uninstall" // it was asked for
	Unsafe    Reason = "unsafe"    // it would stop pods
)

// StepError is an error of Sync, with the step that failed.
type StepError struct {
	Step string // resolve, refuse, copy, record, link, verify or clean
	Err  error
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }
