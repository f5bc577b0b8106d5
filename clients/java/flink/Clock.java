import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;

/** Of one run: how far each table is read, and what time and processors were used since the clock started. */
final class Clock {
    /** By how many events a table may be ahead of the others, as one generator of all events would have it. */
    private static final int LEAD_MAX = 8_192;

    /** The clock starts behind this part of the rows. */
    private static final int UNTIMED = 10;

    /** The run under way; there is one at a time. */
    static volatile Clock current;

    /** How many of the events are part of the run. */
    final int events;
    /** The clock starts when so many of its rows were handed over. */
    private final long startAt;
    private final long total;
    private final long[] emitted = new long[Events.TABLES.length];
    /** Of each table: the event that it comes to next. */
    private final int[] next = new int[Events.TABLES.length];
    private List<CompletableFuture<Void>> waiting = new ArrayList<>();
    private long startRows = -1;
    private long startCpu;
    private long startNanos;
    private long endCpu;
    private long endNanos;

    /** Rows that came out of the query. */
    long results;
    /** What they come to: how many rows there are in the end, and a sum over their hashes. */
    long net;
    long checksum;
    /** Where they are kept: the text of each row, and how often it is there. */
    final TreeMap<String, Integer> kept = new TreeMap<>();

    Clock(int events, TreeSet<String> tables) {
        this.events = events;
        long total = 0;
        for (int table = 0; table < next.length; table++) {
            boolean isRead = tables.contains(Events.TABLES[table]);
            next[table] = isRead ? 0 : Integer.MAX_VALUE;
            total += isRead ? Events.among(table, events) : 0;
        }
        this.total = total;
        this.startAt = total / UNTIMED;
    }

    private static long cpu() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime();
    }

    /** A table has been read up to here. Says whether it may go on; where not, `more` tells when. */
    synchronized CompletableFuture<Void> read(int table, long rows, int nextEvent) {
        emitted[table] = rows;
        next[table] = nextEvent;
        if (startRows < 0 && sum(emitted) >= startAt) {
            startRows = sum(emitted);
            startNanos = System.nanoTime();
            startCpu = cpu();
        }
        int least = Integer.MAX_VALUE;
        for (int event : next) {
            least = Math.min(least, event);
        }
        if (nextEvent != Integer.MAX_VALUE && nextEvent - least > LEAD_MAX) {
            var more = new CompletableFuture<Void>();
            waiting.add(more);
            return more;
        }
        List<CompletableFuture<Void>> awake = waiting;
        waiting = new ArrayList<>();
        awake.forEach(it -> it.complete(null));
        return null;
    }

    private static long sum(long[] numbers) {
        long sum = 0;
        for (long number : numbers) {
            sum += number;
        }
        return sum;
    }

    /** All results are there. */
    synchronized void end() {
        endCpu = cpu();
        endNanos = System.nanoTime();
    }

    long eventsTimed() {
        return total - startRows;
    }

    double cpuSeconds() {
        return (endCpu - startCpu) / 1e9;
    }

    double wallSeconds() {
        return (endNanos - startNanos) / 1e9;
    }

    /** The most memory that the process had. */
    static long peakBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IOException("no VmHWM in /proc/self/status");
    }
}
