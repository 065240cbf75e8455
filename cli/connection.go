package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"shunt/config"
	"shunt/explain"
)

// BindConnection defines the flags that describe a connection.
func BindConnection(fs *pflag.FlagSet, d *explain.Description) {
	fs.StringVar(&d.From, "from", "", "`address` that the connection comes from; outbound, the pod's own")
	fs.StringVar(&d.To, "to", "", "`address:port` that it goes to; inbound, an address behind the pod, which forwards")
	fs.StringVar(&d.Port, "port", "", "`port` that it goes to, if --to does not say it")
	fs.StringVar(&d.UID, "uid", "0", "user `id` of the process that connects, outbound")
	fs.StringVar(&d.GID, "gid", "0", "group `id` of the process that connects, outbound")
	Choice(fs, &d.Proto, "proto", "", "protocol", "tcp", "udp")
}

// Question reads the description. The error names the flag, or, where there is no
// direction, what a command with one looks like.
func Question(d *explain.Description, example string) (*explain.Question, error) {
	q, err := d.Question()
	if wrong, ok := errors.AsType[*explain.FieldError](err); ok {
		if wrong.Field == "direction" {
			return nil, &config.InputError{Err: fmt.Errorf("%w, as in %s", wrong.Err, example)}
		}
		return nil, BadFlag(wrong.Field, "%w", wrong.Err)
	}
	return q, nil
}
