"""Signal around each TSS: chromosomes, bigWig, aligned reads, regions left out."""
