"""The references family: a crop generator that may also copy pixels of warped frames of the footage. Experimental."""
