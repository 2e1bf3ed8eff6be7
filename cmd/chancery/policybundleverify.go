package main

import "github.com/spf13/cobra"

func (c *command) policyBundleVerifyCommand() *cobra.Command {
	var keys []string
	cmd := &cobra.Command{
		Use:   "verify FILE|- --key [ID=]FILE",
		Short: "Check a bundle's signature and that it covers every file, without a server",
		Long: `Check that a bundle has one signature of a key that is trusted, by that key's one algorithm, that it covers every file of the bundle
and no other, and that the files say what one policy can say. Whether the policy compiles, import and apply say. How old a bundle is
cannot be checked: compare the hash with "chancery policy history".

A key's id is its thumbprint, unless --key says ID=FILE; a signature that names no key id, or another, is refused.

Exit status: 0 it is good; 1 it is refused.`,
		Example: `  chancery policy bundle verify notes.tar.gz --key bundles.pub
  chancery policy bundle verify notes.tar.gz --key release-2026=bundles.pub --output json`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "file with a trusted public key or certificate in PEM, with its key id before it if that is not its thumbprint; may be repeated")
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		opened, err := c.openBundle(args[0], keys)
		if err != nil {
			return plainError(err)
		}
		found := bundledAs(args[0], opened)
		return c.print(found, found.write)
	}
	return cmd
}
