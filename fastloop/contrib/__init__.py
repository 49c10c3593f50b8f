"""What connects fastloop to other packages. Nothing here is imported by `import fastloop`; each module needs an extra."""
