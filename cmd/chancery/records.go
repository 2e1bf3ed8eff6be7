package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// addRecordCommands adds what asks the admin API, and what works on files alone.
func (c *command) addRecordCommands(root *cobra.Command) {
	root.AddCommand(
		c.initCommand(),
		c.applyCommand(), c.diffCommand(), c.exportCommand(), c.getCommand(), c.deleteCommand(),
		c.secretCommand(), c.connectionCommand(), c.webhookCommand(), c.registrationCommand(), c.registrationTokenCommand(), c.keysCommand(), c.vaultCommand(), c.revokeCommand(), c.auditCommand(), c.decisionsCommand(), c.explainCommand(), c.loginCommand(), c.logoutCommand(), c.approvalsCommand(), c.idpCommand(), c.policyCommand(), c.proposalCommand(),
		c.doctorCommand(), c.manCommand(), c.versionCommand(),
	)
}

func (c *command) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this binary", Args: cobra.NoArgs,
		Example: "  chancery version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(c.stdout, "chancery %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
