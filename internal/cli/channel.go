package cli

import (
	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/client"
)

func (p *program) newChannel() *cobra.Command {
	return p.newNoun("channel", p.newKinds(nounOf("channel"), client.ChannelKinds),
		p.newDeed(nounOf("channel"), deed{verb: "test", short: "Send a message that says that it is a test", op: client.TestChannel, done: says("sent a test message by channel %s"),
			long: "Send a message by a channel that says that it is a test. It is done once the receiver has it, or says why it doesn't take it."}))
}

func (p *program) newAuditSink() *cobra.Command {
	n := nounOf("audit-sink")
	return p.newNoun("audit-sink", p.newKinds(n, client.AuditSinkKinds),
		p.newDeed(n, deed{verb: "test", short: "Send an event that says that it is a test", op: client.TestAuditSink, done: says("sent a test event to audit sink %s"),
			long: "Send an event to a receiver of the audit trail that says that it is a test. It is done once the receiver has it, or says why it doesn't take it."}))
}

func (p *program) newAlert() *cobra.Command {
	return p.newNoun("alert", p.newDeed(nounOf("alert"), deed{verb: "acknowledge", short: "Say that you take care of an alert", op: client.Acknowledge, done: says("you take care of alert %s"),
		long: "Say that you take care of an alert. Nobody is reminded of it from then on. It stays open until what it says is no longer so."}))
}

func (p *program) newServerSource() *cobra.Command {
	n := nounOf("source")
	return p.newNoun("source", p.newKinds(n, client.SourceKinds), p.newReveal(n, client.RevealSource), p.newSourceHistory(),
		p.newDeed(n, deed{verb: "test", short: "Begin to read a source, and show what is found first", op: client.TestSource, done: printItems,
			long: "Begin to read a source as a backup does, and show what is found first. Nothing is saved."}))
}

func (p *program) newRepository() *cobra.Command {
	n := nounOf("repository")
	level := "structure"
	verify := p.newRunDeed(n, deed{verb: "verify", short: "Verify a repository", op: client.Verify, body: func() any { return map[string]string{"level": level} },
		long: "Verify a repository. What is found damaged is told with the snapshots and files that it costs, and opens an alert."})
	verify.Flags().StringVar(&level, "level", level, "how much is read: `level` is structure, sample or full")
	return p.newNoun("repository", p.newReveal(n, client.RevealPassword), verify, p.newRepositoryKeys(n), p.newRepositoryAddKey(n), p.newRepositoryRemoveKey(n),
		p.newRunDeed(n, deed{verb: "prune", short: "Free the space that no snapshot needs", op: client.Prune, long: "Free the space in a repository that no snapshot needs."}),
		p.newRunDeed(n, deed{verb: "scan", short: "List anew what is in a repository", op: client.Scan,
			long: "List anew what is in a repository: its snapshots, and their files for the search. That is done by itself after each backup of this server; others are found by it."}))
}
