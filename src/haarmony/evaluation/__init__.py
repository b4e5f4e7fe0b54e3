"""The measurements that compare methods."""
